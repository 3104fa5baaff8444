"""Samples to images no larger than the network input, from files or from memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2

from backends.yolov5.data.samples import Picture
from backends.yolov5.errors import TrainingError
from core.errors import counted

MACHINE = Path("/proc/meminfo")
GROUPS = (
    Path("/sys/fs/cgroup"),
    Path("/sys/fs/cgroup/memory"),
)
"""Where the group that a container runs in says its limit and use, version 2 and version 1."""

_LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE = {"inactive_file", "active_file"}
"""What the kernel gives back when memory is wanted."""


def available_memory() -> int | None:
    """Bytes that may be taken without swapping or being killed; None where the system does not tell."""
    groups = (_group(folder, *names) for folder in GROUPS for names in _LIMITS)
    free = [value for value in (_machine(), *groups) if value is not None]
    return min(free, default=None)


def _machine() -> int | None:
    try:
        return _numbers(MACHINE)["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _group(folder: Path, limit: str, used: str) -> int | None:
    """What a limited group has left; None where there is no limit."""
    try:
        taken = int((folder / used).read_text(encoding="utf-8")) - int((folder / limit).read_text(encoding="utf-8"))
        numbers = _numbers(folder / "memory.stat")
    except (OSError, ValueError):
        return None
    return max(sum(numbers.get(name, 0) for name in _CACHE) - taken, 0)


def _numbers(file: Path) -> dict[str, int]:
    """Lines of a name and a number, perhaps with a unit."""
    return {
        words[0]: int(words[1])
        for line in file.read_text(encoding="utf-8").splitlines()
        if len(words := line.split()) > 1
    }


Read = Callable[[Path], Picture]
"""A file to uint8 BGR [H, W, 3], turned as its EXIF says."""

PROBES = 64
"""Pictures that are read to estimate how much memory all of them need."""
LARGEST_PART = 0.8
"""Of the available memory, for pictures."""


class ImageReader(Protocol):
    """Gives the picture of a sample; it is not to be written to."""

    def __call__(self, index: int) -> Picture:
        """BGR, its longer side at most that of the network input."""
        ...


class FromFiles:
    """Decodes a picture whenever it is wanted.

    Args:
        paths: Of the samples.
        read: How a file is read.
        side: Longest side; larger pictures are shrunk as validation shrinks them.
    """

    def __init__(self, paths: Sequence[Path], read: Read, side: int) -> None:
        self.paths, self.read, self.side = paths, read, side

    def __call__(self, index: int) -> Picture:
        """The picture of a sample.

        Raises:
            TrainingError: ``read`` raised an OSError or a ValueError: the file is not an image.
        """
        path = self.paths[index]
        try:
            return shrunk(self.read(path), self.side)
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"cannot read the image '{path}' ({error})", "it was readable before: is it being changed?"
            ) from error


class FromMemory:
    """Decodes all pictures at once and keeps them; forked workers share them.

    Args:
        files: Where they come from.
        beside: Processes of this machine that each keep all of them.

    Raises:
        TrainingError: They do not fit into the memory, or a file is no picture.
    """

    def __init__(self, files: FromFiles, beside: int = 1) -> None:
        _check_room(files, beside)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            self.pictures = list(pool.map(files, range(len(files.paths))))

    def __call__(self, index: int) -> Picture:
        """The picture of a sample."""
        return self.pictures[index]


def shrunk(picture: Picture, side: int) -> Picture:
    """The picture, its longer side made ``side`` where it is longer; bilinear, as the letterbox is."""
    height, width = picture.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return picture
    size = max(round(width * ratio), 1), max(round(height * ratio), 1)
    smaller: Picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return smaller


def _check_room(files: FromFiles, beside: int) -> None:
    count, free = len(files.paths), available_memory()
    if free is None or not count:
        return
    probes = range(0, count, max(count // PROBES, 1))
    needed = sum(files(index).nbytes for index in probes) / len(probes) * count * beside
    if needed > LARGEST_PART * free:
        raise TrainingError(
            f"cache=ram needs about {needed / 2**30:.1f} GiB for {counted(count, 'image')} at {files.side} pixels"
            f"{f' in each of {beside} processes' if beside > 1 else ''}; "
            f"{free / 2**30:.1f} GiB are available, of which images may take {LARGEST_PART:.0%}",
            f"use cache=none{', fewer processes' if beside > 1 else ''} or a smaller imgsz",
        )
