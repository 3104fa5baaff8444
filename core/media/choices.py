"""Values of the options about media files that several stages share."""

from __future__ import annotations

from enum import Enum

MAX_PIXELS = 200_000_000
"""Default maximum of width x height: photos of the largest phone cameras (16320 x 12240) fit."""


class OnError(str, Enum):
    """Handling of unreadable files.

    ``auto`` skips up to 5 % of the files, or one; more are an error. ``skip`` skips any number. ``stop`` treats the
    first one as an error. A source without a readable file is always an error.
    """

    auto = "auto"
    skip = "skip"
    stop = "stop"
