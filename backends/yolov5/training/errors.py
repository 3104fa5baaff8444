"""What can go wrong in a training through no fault of the code."""

from __future__ import annotations


class TrainingError(Exception):
    """A training that cannot begin or go on: what happened, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
