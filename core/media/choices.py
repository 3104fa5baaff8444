"""Values of the options about media files that several stages share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_PIXELS = 200_000_000
"""Default maximum of width x height: photos of the largest phone cameras (16320 x 12240) fit."""

AUTO_DEPTH, FULL_DEPTH = "auto", "full"
Depth = str | float
"""Which value of an image with more than 8 bits per channel becomes 255: ``auto``, ``full`` or a number."""
MIN_DEPTH, MAX_DEPTH = 0.001, 2**32 - 1
"""Smallest and largest number that ``image.depth`` accepts."""


@dataclass(frozen=True)
class Decoding:
    """How images are decoded.

    Attributes:
        max_pixels: Maximum width x height of an image.
        depth: The value that becomes 255 in images with more than 8 bits per channel.
    """

    max_pixels: int = MAX_PIXELS
    depth: Depth = AUTO_DEPTH


DEFAULT_DECODING = Decoding()


class OnError(str, Enum):
    """Handling of unreadable files.

    ``auto`` skips up to 5 % of the files, or one; more are an error. ``skip`` skips any number. ``stop`` treats the
    first one as an error. A source without a readable file is always an error.
    """

    auto = "auto"
    skip = "skip"
    stop = "stop"
