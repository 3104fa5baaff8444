"""What goes into training images and what comes out; random numbers by purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Purpose(IntEnum):
    """What random numbers are for; each purpose has its own."""

    PICTURE = 1
    ORDER = 2


def generator(seed: int, purpose: Purpose, *counters: int) -> np.random.Generator:
    """A stream of random numbers for up to three counters, such as epoch, index and position.

    Philox computes them from key and counter, so that any stream can be begun anywhere: in any worker
    process, and in a run that was resumed.
    """
    first, second, third = (*counters, 0, 0, 0)[:3]
    return np.random.Generator(np.random.Philox(key=(seed % 2**64, int(purpose)), counter=(0, first, second, third)))


Picture = NDArray[np.uint8]
"""uint8 BGR [H, W, 3]."""

Shape = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class LabelledImage:
    """A picture and the objects in it.

    Attributes:
        picture: Its file.
        classes: int32 [n].
        boxes: float32 [n, 4]: centre x, centre y, width, height as fractions of the picture.
    """

    picture: Path
    classes: NDArray[np.int32]
    boxes: NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """One picture of one epoch: all that its pixels depend on, besides the settings and the seed.

    Attributes:
        epoch: From 0.
        index: Of the sample.
        position: Place in the epoch's order, so that a sample drawn twice looks different each time.
        shape: Network input for a rectangular batch, without mosaic; None for a square.
    """

    epoch: int
    index: int
    position: int = 0
    shape: Shape | None = None


class TrainingBatch(NamedTuple):
    """What the network is trained on at once.

    Attributes:
        images: uint8 RGB [B, 3, H, W].
        targets: float32 [N, 6]: picture in the batch, class, cx, cy, w, h as fractions of the input.
        paths: The main picture of each image, B of them.
    """

    images: Tensor
    targets: Tensor
    paths: Sequence[Path]
