"""What goes into training pictures and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]
"""uint8 BGR [H, W, 3]."""

Shape = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Labelled:
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


class Batch(NamedTuple):
    """What the network is trained on at once.

    Attributes:
        images: uint8 RGB [B, 3, H, W].
        targets: float32 [N, 6]: picture in the batch, class, cx, cy, w, h as fractions of the input.
        paths: The main picture of each image, B of them.
    """

    images: Tensor
    targets: Tensor
    paths: Sequence[Path]
