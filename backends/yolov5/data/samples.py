"""Types of training data (samples, draws, batches), and the random numbers of each draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Purpose(IntEnum):
    """Purpose of random numbers; each purpose has its own stream."""

    IMAGE = 1
    ORDER = 2


def generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """Return a random generator for up to three counters, such as epoch, index and position.

    Philox computes numbers from key and counter alone, so any worker process and any resumed run get the same ones.
    """
    first, second, third = (*counters, 0, 0, 0)[:3]
    return np.random.Generator(np.random.Philox(key=(seed % 2**64, int(purpose)), counter=(0, first, second, third)))


Image = NDArray[np.uint8]
"""uint8 pixels: BGR [H, W, 3], or as stated."""

Shape = tuple[int, int]
"""Height and width in pixels."""

REGION = -1
"""Class id of an ignore region among the rows of a training image."""


def _no_regions() -> NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class LabelledImage:
    """An image file, its objects and its ignore regions.

    Attributes:
        path: The image file.
        classes: int32 [n].
        boxes: float32 [n, 4]: centre x, centre y, width, height as fractions of the image.
        regions: float32 [m, 4], ignore regions in the same form.
    """

    path: Path
    classes: NDArray[np.int32]
    boxes: NDArray[np.float32]
    regions: NDArray[np.float32] = field(default_factory=_no_regions)

    def rows(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return classes and boxes of the objects, followed by those of the regions, whose class is :data:`REGION`."""
        classes = np.full(len(self.classes) + len(self.regions), REGION, np.int32)
        classes[: len(self.classes)] = self.classes
        return classes, np.concatenate([self.boxes, self.regions])


@dataclass(frozen=True)
class Draw:
    """One training image of an epoch. With options and seed it determines every pixel.

    Attributes:
        epoch: From 0.
        index: Index of the sample.
        position: Position in the order of the epoch, so that a sample drawn twice is augmented differently.
        shape: Input size of a rectangular batch, which has no mosaic; None for a square input.
    """

    epoch: int
    index: int
    position: int = 0
    shape: Shape | None = None


class TrainingBatch(NamedTuple):
    """A batch of training images.

    Attributes:
        images: uint8 RGB [B, 3, H, W].
        targets: float32 [N, 6]: index of the image in the batch, class, cx, cy, w, h as fractions of the input.
        paths: The file of each image, B of them; of a mosaic the first one.
        regions: Ignore regions, float32 [M, 5]: as ``targets``, without the class.
    """

    images: Tensor
    targets: Tensor
    paths: Sequence[Path]
    regions: Tensor = torch.zeros(0, 5)
