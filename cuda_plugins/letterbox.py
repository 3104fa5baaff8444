"""The letterbox kernel: NumPy twin and launch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct

Ints = NDArray[np.int32]

BITS = 11
"""Of the weights. Those of ``cv2.resize``, whose results for uint8 this equals to the last bit."""


@dataclass(frozen=True)
class LetterboxPlacement:
    """Where a picture lies in the network input, network pixels: its size there, and the border before it."""

    height: int
    width: int
    top: int
    left: int


def letterbox(
    pictures: Sequence[NDArray[np.uint8]],
    places: Sequence[LetterboxPlacement],
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


MAX_PICTURES = 64
"""Of one launch: they are passed by value, so nothing is uploaded or kept, and arguments of 4 KiB fit every driver."""
TILE_WIDTH, TILE_HEIGHT = 128, 16
BLOCK = (32, 8, 1)

PICTURE = struct(
    ("pixels", np.uintp),
    ("pitch", np.int64),
    ("size", np.int32, 2),
    ("corners", np.int32, 4),
    ("steps", np.float64, 2),
)
LETTERBOX = struct(
    ("pictures", PICTURE, MAX_PICTURES),
    ("images", np.uintp),
    ("height", np.int32),
    ("width", np.int32),
    ("border", np.int32),
    ("swap", np.int32),
    ("scale", np.float64),
    ("offset", np.float64),
)


@dataclass(frozen=True)
class Picture:
    """uint8 [height, width, 3] on the device.

    Attributes:
        address: Of the first pixel.
        height, width: Pixels, at least 1.
        pitch: Bytes from row to row, at least 3 * width.
    """

    address: int
    height: int
    width: int
    pitch: int


def letterbox_launches(
    pictures: Sequence[Picture],
    places: Sequence[LetterboxPlacement],
    images: int,
    *,
    height: int,
    width: int,
    border: int = 114,
    scale: float = 1 / 255,
    offset: float = 0.0,
    swap: bool = True,
    half: bool = False,
) -> list[Launch]:
    """Make the network input of a batch: one launch for every 64 pictures.

    Args:
        pictures, places: What goes where; the places lie within the input.
        images: Address of [B, 3, height, width], float32 or with ``half`` float16. Every value is written.
        height, width: Of the network input.
        border: Level around the images, 0..255.
        scale: Factor of all levels, not negative.
        offset: Summand of all values, after scaling.
        swap: The first plane is the last channel: BGR to RGB.
        half: float16 instead of float32.

    Raises:
        HooklineError: An image without pixels, or a border, scale or offset out of range.
    """
    if not 0 <= border <= 255 or not (scale >= 0 and math.isfinite(scale) and math.isfinite(offset)):
        raise HooklineError(
            f"a border of {border}, a scale of {scale:g}, an offset of {offset:g}",
            "possible: 0 to 255, a finite number from 0, a finite number",
        )
    bytes_each = 3 * height * width * (2 if half else 4)
    grid = (-(-width // TILE_WIDTH), -(-height // TILE_HEIGHT))
    launches = []
    for start in range(0, len(pictures), MAX_PICTURES):
        part = slice(start, start + MAX_PICTURES)
        argument = np.zeros(1, LETTERBOX)
        for entry, picture, place in zip(argument["pictures"][0], pictures[part], places[part], strict=False):
            _fill(entry, picture, place)
        argument[["images", "height", "width"]] = images + start * bytes_each, height, width
        argument[["border", "swap", "scale", "offset"]] = border, swap, scale, offset
        kernel = "letterbox_half" if half else "letterbox_float"
        launches.append(Launch("letterbox", kernel, (*grid, len(pictures[part])), BLOCK, argument))
    return launches


def _fill(entry: np.void, picture: Picture, place: LetterboxPlacement) -> None:
    if picture.height < 1 or picture.width < 1 or place.height < 1 or place.width < 1:
        raise HooklineError(
            f"an image of {picture.width}x{picture.height} pixels at {place.width}x{place.height}",
            "every side must have at least one pixel",
        )
    entry["pixels"], entry["pitch"], entry["size"] = picture.address, picture.pitch, (picture.height, picture.width)
    entry["corners"] = place.top, place.left, place.top + place.height, place.left + place.width
    # Divided twice, as OpenCV does: the last bit of a coordinate follows from it.
    entry["steps"] = 1.0 / (place.height / picture.height), 1.0 / (place.width / picture.width)
