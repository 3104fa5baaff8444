"""Limits of media files, and how many unreadable files a run tolerates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import HooklineError, counted, listed
from core.media.choices import AUTO_DEPTH, MAX_PIXELS, Depth, OnError
from core.media.pixel_notes import PixelNotes

BYTES_PER_PIXEL, METADATA = 8, 1 << 26
"""Maximum size of an image file: 16 bits of red, green, blue and alpha per pixel, plus metadata."""


def too_many_pixels(size: tuple[int, int], max_pixels: int) -> str:
    """Return why an image of this height and width is not decoded; empty if it is."""
    height, width = size
    if height * width <= max_pixels:
        return ""
    return f"it has {width} x {height} = {width * height:,} pixels; raise max_pixels={max_pixels} to read it"


def too_many_bytes(size: tuple[int, int], pixel_bytes: int, max_pixels: int) -> str:
    """Return why an image of this height and width, with pixels of this size, is not decoded; empty if it is."""
    height, width = size
    if height * width * pixel_bytes <= BYTES_PER_PIXEL * max_pixels:
        return ""
    return (
        f"it has {width} x {height} = {width * height:,} pixels of {pixel_bytes} bytes, more than "
        f"{BYTES_PER_PIXEL} x max_pixels; raise max_pixels={max_pixels} to read it"
    )


def largest_file(max_pixels: int) -> int:
    """Return the maximum number of bytes of an image file."""
    return BYTES_PER_PIXEL * max_pixels + METADATA


SHARE = 0.05
"""Share of the files that may be unreadable; one file always may if another one can be read."""
NAMED = 10
"""Unreadable files, and damaged files, that are reported by name; further ones are counted."""


@dataclass(frozen=True)
class Unreadable:
    """Name of an image or video that could not be read, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Gap:
    """A period without frames in a live source.

    Attributes:
        after: Index of the last frame before the gap, -1 for none.
        began: Seconds from the first frame of the source to the last one before the gap.
        ended: Seconds from the first frame of the source to the first one after the gap; None if there was none.
        at: Start of the gap as an ISO 8601 time with UTC offset.
        reason: Cause of the gap.
        attempts: Number of attempts to reconnect.
    """

    after: int
    began: float
    ended: float | None
    at: str
    reason: str
    attempts: int


@dataclass
class Tolerance:
    """Collects problems while frames are read, and raises an error when there are too many.

    Attributes:
        total: Number of files to read, None if unknown.
        warn: Prints a warning.
        on_error: Handling of unreadable files.
        option: Command-line option that sets ``on_error``, for the hint of the error; empty for none.
        max_pixels: Maximum width x height of an image or a frame; larger ones are unreadable.
        depth: Value of ``image.depth``, for images with more than 8 bits per channel.
        model: Notes of the model that gets the images, see :meth:`core.media.pixel_notes.PixelNotes.lines`.
        title: What precedes the lines about images that were composited or scaled.
        pixels: Counts images that were composited or scaled.
        unreadable: Skipped files.
        damaged: Name of each damaged image or video that was read -> description of the damage.
        damaged_frames: Number of frames of video that the decoder flagged as corrupt.
        dropped: Number of frames of a live source that were replaced by newer ones before they were read.
        gaps: Periods without frames in a live source.
        ended: Why a live source ended; empty until then.
        read_to_end: Name of each video that was read to its end -> index of its last frame.
    """

    total: int | None
    warn: Callable[[str], None]
    on_error: OnError = OnError.auto
    option: str = ""
    max_pixels: int = MAX_PIXELS
    depth: Depth = AUTO_DEPTH
    model: tuple[str, ...] = ()
    title: str = ""
    pixels: PixelNotes = field(default_factory=PixelNotes)
    unreadable: list[Unreadable] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    damaged_frames: int = 0
    dropped: int = 0
    gaps: list[Gap] = field(default_factory=list)
    ended: str = ""
    read_to_end: dict[str, int] = field(default_factory=dict)

    def skip(self, file: Unreadable) -> None:
        """Skip, count and report an unreadable file.

        Raises:
            HooklineError: ``on_error`` does not allow skipping it.
        """
        self.unreadable.append(file)
        if self.on_error is not OnError.stop and len(self.unreadable) <= NAMED:
            self.warn(f"skipped '{file.name}': {file.reason}")
        if len(self.unreadable) > self._allowed():
            raise self.exceeded(self.total)

    def exceeded(self, total: int | None) -> HooklineError:
        """Return the error for too many unreadable files out of ``total``."""
        named = listed([f"'{item.name}' ({item.reason})" for item in self.unreadable], 3)
        count = len(self.unreadable)
        files = counted(count, "file") if total is None else f"{count} of {counted(total, 'file')}"
        message = f"{files} cannot be read: {named}"
        return HooklineError(message, self._hint(), retry=self._retry(total))

    def damage(self, name: str, reason: str) -> None:
        """Count and report a damaged file that was read, once per file."""
        if name in self.damaged:
            return
        self.damaged[name] = reason
        if len(self.damaged) <= NAMED:
            self.warn(f"'{name}' is damaged: {reason}")

    def conclude(self) -> None:
        """Report the number of skipped and damaged files that were not reported by name, and of converted images."""
        for count, what in ((len(self.unreadable), "could not be read"), (len(self.damaged), "with damage")):
            if count > NAMED:
                self.warn(f"{counted(count - NAMED, 'more file')} {what}")
        for line in self.pixels.lines(self.depth, self.model):
            self.warn(self.title + line)

    def _allowed(self) -> float:
        """Return the maximum number of unreadable files."""
        if self.on_error is OnError.stop:
            return 0
        if self.on_error is OnError.skip or self.total is None:
            return math.inf
        return max(1, SHARE * self.total)

    def _retry(self, total: int | None) -> tuple[str, ...]:
        """Return the option that lets the run succeed; empty if no file is readable."""
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
