"""What is wrong with a checkpoint, in the user's words."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A file that cannot be read as a YOLOv5 checkpoint.

    Args:
        message: What was found, with the offending value.
        hint: What to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
