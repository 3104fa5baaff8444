"""Limits of media files, and how many damaged frames are tolerated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from core.errors import HooklineError, counted

MAX_PIXELS = 200_000_000
"""Width x height: a photo of the largest phone cameras (16320 x 12240) fits."""
BYTES_PER_PIXEL, METADATA = 8, 1 << 26
"""An image file holds at most 16 bits of red, green, blue and alpha per pixel, and metadata."""


def too_many_pixels(size: tuple[int, int], max_pixels: int) -> str:
    """Return why an image of this height and width is not decoded; empty where it is."""
    height, width = size
    if height * width <= max_pixels:
        return ""
    return f"it has {width} x {height} = {width * height:,} pixels; raise max_pixels={max_pixels} to read it"


def largest_file(max_pixels: int) -> int:
    """Return the maximum number of bytes of an image file."""
    return BYTES_PER_PIXEL * max_pixels + METADATA


SHARE = 0.05
"""Share of the files that may be unreadable; one file always may, as long as another one can be read."""
NAMED = 10
"""Files of each kind that are reported in a line of their own; further ones are only counted."""


class OnError(str, Enum):
    """What happens to a file that cannot be read.

    ``auto``: it is skipped; more than 5 % of the files, and more than one, are an error. ``skip``: any number is
    skipped. ``stop``: the first one is an error. A source without a readable file is always an error.
    """

    auto = "auto"
    skip = "skip"
    stop = "stop"


@dataclass(frozen=True)
class Unreadable:
    """An image or a video that could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Gap:
    """A time without frames in a live source.

    Attributes:
        after: Index of the last frame before the gap, -1 for none.
        began: Seconds from the first frame of the source to the last one before the gap.
        ended: Seconds from the first frame of the source to the first one after the gap; None where none came.
        at: When it began, as an ISO 8601 time with the offset from UTC.
        reason: Why no frames came.
        attempts: How often the source was opened again.
    """

    after: int
    began: float
    ended: float | None
    at: str
    reason: str
    attempts: int


@dataclass
class Tolerance:
    """Collects what goes wrong while frames are read; raises when it is too much.

    Attributes:
        total: Number of files that are read, None where it is not known.
        warn: Prints one line.
        on_error: What happens to a file that cannot be read.
        option: Option of the command line that sets ``on_error``, for the hint of the error; empty for none.
        max_pixels: Maximum width x height of an image or a frame; a larger one cannot be read.
        unreadable: Files that were skipped.
        damaged: Name of each image or video that was read though it is damaged -> what is wrong.
        damaged_frames: Frames of video that the decoder flagged as corrupt.
        dropped: Frames of a live source that arrived faster than they were taken.
        gaps: Times without frames in a live source.
        ended: Why a live source ended; empty until then.
        read_to_end: Name of each video that was read to its end -> index of the last frame it gave.
    """

    total: int | None
    warn: Callable[[str], None]
    on_error: OnError = OnError.auto
    option: str = ""
    max_pixels: int = MAX_PIXELS
    unreadable: list[Unreadable] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    damaged_frames: int = 0
    dropped: int = 0
    gaps: list[Gap] = field(default_factory=list)
    ended: str = ""
    read_to_end: dict[str, int] = field(default_factory=dict)

    def skip(self, file: Unreadable) -> None:
        """Skip, count and report a file that cannot be read.

        Raises:
            HooklineError: ``on_error`` does not allow to skip it.
        """
        self.unreadable.append(file)
        if self.on_error is not OnError.stop and len(self.unreadable) <= NAMED:
            self.warn(f"skipped '{file.name}': {file.reason}")
        if len(self.unreadable) > self._allowed():
            raise self.exceeded(self.total)

    def exceeded(self, total: int | None) -> HooklineError:
        """Return the error that names the skipped files, out of ``total``."""
        first = ", ".join(f"'{item.name}' ({item.reason})" for item in self.unreadable[:3])
        more = f" and {len(self.unreadable) - 3} more" if len(self.unreadable) > 3 else ""
        count = len(self.unreadable)
        files = counted(count, "file") if total is None else f"{count} of {counted(total, 'file')}"
        message = f"{files} cannot be read: {first}{more}"
        return HooklineError(message, self._hint(), retry=self._retry(total))

    def damage(self, name: str, reason: str) -> None:
        """Count and report a file that is damaged but was read; once for each file."""
        if name in self.damaged:
            return
        self.damaged[name] = reason
        if len(self.damaged) <= NAMED:
            self.warn(f"'{name}' is damaged: {reason}")

    def conclude(self) -> None:
        """Report how many more files were skipped or damaged than have been named."""
        for count, what in ((len(self.unreadable), "could not be read"), (len(self.damaged), "with damage")):
            if count > NAMED:
                self.warn(f"{counted(count - NAMED, 'more file')} {what}")

    def _allowed(self) -> float:
        """Return how many files may be unreadable."""
        if self.on_error is OnError.stop:
            return 0
        if self.on_error is OnError.skip or self.total is None:
            return math.inf
        return max(1, SHARE * self.total)

    def _retry(self, total: int | None) -> tuple[str, ...]:
        """Return the option with which the run can succeed: another file must be readable."""
        if not self.option or self.on_error is OnError.skip or total is None or len(self.unreadable) >= total:
            return ()
        return (f"{self.option}=skip",)

    def _hint(self) -> str:
        parts = ["repair or remove them"]
        if self.on_error is OnError.auto:
            parts.append(f"at most {SHARE:.0%} of the files, or one, may be unreadable")
        if self.on_error is not OnError.skip and self.option:
            parts.append(f"{self.option}=skip allows any number")
        return "; ".join(parts)
