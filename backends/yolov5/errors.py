"""What can be wrong through no fault of the code, in the user's words."""

from __future__ import annotations


class YOLOv5Error(Exception):
    """Something that the user can set right.

    Args:
        message: What was found, with the offending value.
        hint: What to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckpointError(YOLOv5Error, ValueError):
    """A file that cannot be read as a YOLOv5 checkpoint."""


class ConfigError(YOLOv5Error, ValueError):
    """A network that is out of range."""


class TrainingError(YOLOv5Error):
    """A training that cannot begin or go on."""
