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
from backends.yolov5.training.memory import available_memory
from core.errors import counted

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
            f"train.cache=ram needs about {needed / 2**30:.1f} GiB for {counted(count, 'image')} at {files.side} pixels"
            f"{f' in each of {local_world_size} processes' if local_world_size > 1 else ''}; "
            f"{free / 2**30:.1f} GiB are available, of which images may take {LARGEST_PART:.0%}",
            f"use train.cache=none{', fewer processes' if local_world_size > 1 else ''} or a smaller imgsz",
        )
