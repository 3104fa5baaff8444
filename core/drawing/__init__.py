"""Boxes and their labels drawn into pictures, for stages and backends alike."""
