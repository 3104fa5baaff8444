"""Statistics and damage of a decoded video, and FFmpeg's errors in words. Heavy: imports PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av.error

from core.errors import counted
from core.masking import masked
from core.media.tolerance import Tolerance

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MAX_RUNS = 4
"""Maximum number of runs of corrupt frames in a message."""


@dataclass
class VideoReport:
    """Statistics of a video while and after it is decoded.

    Attributes:
        declared: Number of frames in the container's header, 0 if it is not given.
        read: Number of decoded frames.
        corrupt: Numbers of the frames that the decoder flagged as corrupt.
        lost: Number of packets that could not be decoded.
        trouble: First error of the container or of a packet.
        complete: Whether the video was decoded to its end.
    """

    declared: int = 0
    read: int = 0
    corrupt: list[int] = field(default_factory=list)
    lost: int = 0
    trouble: str = ""
    complete: bool = False

    def lose(self, error: av.error.FFmpegError) -> None:
        """Count a packet that could not be decoded."""
        self.lost += 1
        self.trouble = self.trouble or reason(error)

    def count(self, frame: VideoFrame) -> int:
        """Count a decoded frame and return its number."""
        number = self.read
        self.read += 1
        if frame.is_corrupt:
            self.corrupt.append(number)
        return number

    @property
    def ends_early(self) -> bool:
        """Whether more than 1 % of the declared frames, and more than one, are missing."""
        return self.declared - self.read > max(1, self.declared // 100)

    def damage(self) -> str:
        """Describe the damage of the video; empty for none."""
        parts = []
        if self.corrupt:
            frames = f"{len(self.corrupt)} of {counted(self.read, 'frame')}"
            parts.append(f"errors in {frames} ({_ranges(self.corrupt)})")
        if self.complete and (self.ends_early or (self.trouble and self.read < self.declared)):
            parts.append(f"{self.read} of {counted(self.declared, 'frame')} could be read")
        if self.lost:
            parts.append(f"{counted(self.lost, 'packet')} could not be decoded")
        if self.trouble:
            parts.append(self.trouble)
        return "; ".join(parts)


def record(name: str, report: VideoReport, tolerance: Tolerance) -> None:
    """Add the damage of the video ``name`` to ``tolerance``, which reports it in one line."""
    tolerance.damaged_frames += len(report.corrupt)
    if report.read and (damage := report.damage()):
        tolerance.damage(name, damage)


def _ranges(numbers: Sequence[int]) -> str:
    """Return the first runs of ascending numbers: ``3, 40-51, 60, ...``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    shown = ["-".join(map(str, run)) for run in runs[:MAX_RUNS]]
    return ", ".join([*shown, *(["..."] if len(runs) > MAX_RUNS else [])])


def reason(error: BaseException) -> str:
    """Return the message of an FFmpeg error, passwords masked."""
    return getattr(error, "strerror", None) or masked(str(error)) or type(error).__name__
