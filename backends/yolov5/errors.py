"""User errors of the YOLOv5 library: a message and a hint."""

from __future__ import annotations


class YOLOv5Error(Exception):
    """An error that the user can correct.

    Args:
        message: The problem, with the offending value.
        hint: The remedy.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckpointError(YOLOv5Error, ValueError):
    """A file that cannot be read as a YOLOv5 checkpoint."""


class ConfigError(YOLOv5Error, ValueError):
    """A network shape with a value out of range."""


class TrainingError(YOLOv5Error):
    """A training run that cannot start or continue."""
