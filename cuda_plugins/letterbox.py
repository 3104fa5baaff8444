"""The NumPy twin of the letterbox kernel: the reference that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]

BITS = 11
"""Of the weights. Those of ``cv2.resize``, whose results for uint8 this equals to the last bit."""


@dataclass(frozen=True)
class Place:
    """Where a picture lies in the network input, network pixels: its size there, and the border before it."""

    height: int
    width: int
    top: int
    left: int


def letterbox(
    pictures: Sequence[NDArray[np.uint8]],
    places: Sequence[Place],
    *,
    height: int,
    width: int,
    border: int = 114,
    scale: float = 1 / 255,
    offset: float = 0.0,
    swap: bool = True,
    half: bool = False,
) -> NDArray[np.float32] | NDArray[np.float16]:
    """Resize, place, reorder and scale pictures (docs/contracts.md, Input: letterbox).

    Args:
        pictures: uint8 [h, w, 3], sizes may differ.
        places: Of each picture.
        height, width: Of the network input.
        border: Level around the images, 0..255.
        scale: Factor of all levels.
        offset: Summand of all values, after scaling.
        swap: The first plane is the last channel: BGR to RGB.
        half: float16 instead of float32: each value rounded once more.

    Returns:
        [B, 3, height, width].
    """
    table = (np.arange(256) * scale + offset).astype(np.float32)
    levels = np.full((len(pictures), 3, height, width), border, np.uint8)
    for picture, place, planes in zip(pictures, places, levels, strict=True):
        resized = resize(picture, place.height, place.width)
        rows, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        planes[:, rows, columns] = (resized[:, :, ::-1] if swap else resized).transpose(2, 0, 1)
    return table.astype(np.float16)[levels] if half else table[levels]


def resize(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bilinear, in whole numbers: rows of 11-bit sums, cut to 15 bits, weighted, cut to 10, rounded to 8."""
    left, right, weight_left, weight_right = sources(width, picture.shape[1])
    above, below, weight_above, weight_below = (values[..., None, None] for values in sources(height, len(picture)))
    wide = picture.astype(np.int32)
    sums = wide[:, left] * weight_left[:, None] + wide[:, right] * weight_right[:, None] >> 4
    upper, lower = sums[above[:, 0, 0]], sums[below[:, 0, 0]]
    mixed = (weight_above * upper >> 16) + (weight_below * lower >> 16)
    return (mixed + 2 >> 2).astype(np.uint8)


def sources(target: int, count: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Of each of ``target`` pixels along an axis: the two of ``count`` source pixels, and their weights.

    Beyond the edge both are the last one.
    """
    step = 1.0 / (target / count)
    exact = ((np.arange(target) + 0.5) * step - 0.5).astype(np.float32)
    first = np.floor(exact).astype(np.int32)
    fraction = exact - first.astype(np.float32)
    weights = [np.rint(part * np.float32(1 << BITS)).astype(np.int32) for part in (1 - fraction, fraction)]
    return first.clip(0, count - 1), (first + 1).clip(0, count - 1), weights[0], weights[1]
