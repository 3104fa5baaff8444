"""Reading of source images, scaled down to the network input, from files or from a cache in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2

from backends.yolov5.data.samples import Image
from backends.yolov5.errors import TrainingError
from core.errors import counted

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    Path("/sys/fs/cgroup"),
    Path("/sys/fs/cgroup/memory"),
)
"""Folders with limit and use of the control group of a container, versions 2 and 1."""

_LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE = {"inactive_file", "active_file"}
"""Counters of memory that the kernel reclaims when it is needed."""


def available_memory() -> int | None:
    """Return the bytes that can be allocated without swapping or an OOM kill; None if they are not known."""
    groups = (_cgroup_memory(folder, *names) for folder in CGROUPS for names in _LIMITS)
    free = [value for value in (_machine_memory(), *groups) if value is not None]
    return min(free, default=None)


def _machine_memory() -> int | None:
    try:
        return _numbers(MEMINFO)["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _cgroup_memory(folder: Path, limit: str, used: str) -> int | None:
    """Return the remaining bytes of a control group; None if it has no limit."""
    try:
        taken = int((folder / used).read_text(encoding="utf-8")) - int((folder / limit).read_text(encoding="utf-8"))
        numbers = _numbers(folder / "memory.stat")
    except (OSError, ValueError):
        return None
    return max(sum(numbers.get(name, 0) for name in _CACHE) - taken, 0)


def _numbers(file: Path) -> dict[str, int]:
    """Parse lines of a name, a number and an optional unit."""
    return {
        words[0]: int(words[1])
        for line in file.read_text(encoding="utf-8").splitlines()
        if len(words := line.split()) > 1
    }


Read = Callable[[Path], Image]
"""Reads a file as uint8 BGR [H, W, 3] in its EXIF orientation."""

PROBES = 64
"""Number of images that are read to estimate the memory of all."""
LARGEST_PART = 0.8
"""Maximum fraction of the available memory that cached images may take."""


class ImageReader(Protocol):
    """Returns the image of a sample, which must not be modified."""

    def __call__(self, index: int) -> Image:
        """Return the BGR image, its longer side at most that of the network input."""
        ...


class FromFiles:
    """Decodes an image each time it is requested.

    Args:
        paths: Image files of the samples.
        read: Reads a file.
        side: Maximum of the longer side in pixels; larger images are scaled down as in validation.
    """

    def __init__(self, paths: Sequence[Path], read: Read, side: int) -> None:
        self.paths, self.read, self.side = paths, read, side

    def __call__(self, index: int) -> Image:
        """Return the image of a sample.

        Raises:
            TrainingError: ``read`` raised an OSError or a ValueError: the file is not an image.
        """
        path = self.paths[index]
        try:
            return shrunk(self.read(path), self.side)
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"cannot read the image '{path}' ({error})",
                "it was readable before; check whether another program changes it",
            ) from error


class FromMemory:
    """Decodes all images in the constructor and keeps them; forked workers share the memory.

    Args:
        files: Reads the images.
        local_world_size: Number of training processes on this machine; each keeps all images.

    Raises:
        TrainingError: The images do not fit into memory, or a file is not an image.
    """

    def __init__(self, files: FromFiles, local_world_size: int = 1) -> None:
        _check_memory(files, local_world_size)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            self.images = list(pool.map(files, range(len(files.paths))))

    def __call__(self, index: int) -> Image:
        """Return the image of a sample."""
        return self.images[index]


def shrunk(image: Image, side: int) -> Image:
    """Return the image, scaled down to a longer side of ``side``; bilinear like the letterbox."""
    height, width = image.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return image
    size = max(round(width * ratio), 1), max(round(height * ratio), 1)
    smaller: Image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return smaller


def _check_memory(files: FromFiles, local_world_size: int) -> None:
    count, free = len(files.paths), available_memory()
    if free is None or not count:
        return
    probes = range(0, count, max(count // PROBES, 1))
    needed = sum(files(index).nbytes for index in probes) / len(probes) * count * local_world_size
    if needed > LARGEST_PART * free:
        raise TrainingError(
            f"cache=ram needs about {needed / 2**30:.1f} GiB for {counted(count, 'image')} at {files.side} pixels"
            f"{f' in each of {local_world_size} processes' if local_world_size > 1 else ''}; "
            f"{free / 2**30:.1f} GiB are available, of which images may take {LARGEST_PART:.0%}",
            f"use cache=none{', fewer processes' if local_world_size > 1 else ''} or a smaller imgsz",
        )
