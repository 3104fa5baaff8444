"""Checks of the host, and what all checks use to look at packages, files and subprocesses."""
