"""The console script ``hookline``: ``python -m core.run`` under a name of its own."""

from __future__ import annotations


def main() -> int:
    """Run the command line; return the exit code."""
    from core.run import main as run

    return run()
