"""Pinned downloads."""
