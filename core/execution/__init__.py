"""Runs of a plan: the runner, its files, and what is reported."""
