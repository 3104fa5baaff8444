"""Reports of a run to the user: notes, warnings, metrics and progress."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


def ignore(*_given: object) -> None:
    """Do nothing; the default of a callback."""


class Progress(Protocol):
    """A progress line."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report finished steps.

        Args:
            steps: Number of steps that have finished since the last call.
            note: Text at the end of the line, e.g. the latest loss.
        """
        ...


class Reporter(Protocol):
    """Prints reports to the user. Messages are one line without a full stop."""

    def note(self, message: str) -> None:
        """Print one line of information.

        Args:
            message: The line.
        """
        ...

    def warn(self, message: str) -> None:
        """Print a warning; summary.json lists it.

        Args:
            message: The line.
        """
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Write current metrics of the running stage into status.json.

        Args:
            values: Metrics by name.
        """
        ...

    def progress(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Progress]:
        """Show a progress line while the block runs.

        Args:
            title: What is done, e.g. ``calibrate``.
            total: Number of steps; None if unknown.
            unit: Unit of the steps, e.g. ``images``; may be empty.
        """
        ...
