"""Where a run reports: notes, warnings, figures and progress."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


def ignore(*_given: object) -> None:
    """Do nothing: in place of a function that nobody listens to."""


class Progress(Protocol):
    """Progress of one long piece of work."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more as done; ``note`` replaces the text at the end of the line, e.g. the newest loss."""
        ...


class Reporter(Protocol):
    """Where a run reports to the user. Messages are one line without a full stop at the end."""

    def note(self, message: str) -> None:
        """Print one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Print one line that must not be missed; summary.json repeats it."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Write the newest figures of the running stage into status.json."""
        ...

    def progress(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Progress]:
        """Show a progress line for ``total`` steps (None: not known) while the block runs."""
        ...
