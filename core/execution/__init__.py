"""Execution of a plan: the runner, the files of a run, and its output."""
