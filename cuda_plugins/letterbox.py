"""The letterbox kernel: NumPy twin and launches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct

Ints = NDArray[np.int32]

WEIGHT_BITS = 11
"""Bits of the weights. The results for uint8 equal those of ``cv2.resize`` exactly."""


@dataclass(frozen=True)
class LetterboxPlacement:
    """The placement of an image in the network input: its size there, and its border above and left, in pixels."""

    height: int
    width: int
    top: int
    left: int


def letterbox(
    images: Sequence[NDArray[np.uint8]],
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
    """Resize, place, reorder and scale images (docs/contracts.md, Input: letterbox).

    Args:
        images: uint8 [h, w, 3]; sizes may differ.
        places: Placement of each image.
        height, width: Size of the network input.
        border: Level of the border, 0..255.
        scale: Factor of all levels.
        offset: Added to all values after scaling.
        swap: Reverse the channels: BGR to RGB.
        half: float16 instead of float32; each value is rounded once more.

    Returns:
        [B, 3, height, width].
    """
    table = (np.arange(256) * scale + offset).astype(np.float32)
    levels = np.full((len(images), 3, height, width), border, np.uint8)
    for image, place, planes in zip(images, places, levels, strict=True):
        resized = resize(image, place.height, place.width)
        rows, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        planes[:, rows, columns] = (resized[:, :, ::-1] if swap else resized).transpose(2, 0, 1)
    return table.astype(np.float16)[levels] if half else table[levels]


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize bilinearly in integers: sums with 11-bit weights, cut to 15 bits, weighted, cut to 10, rounded to 8."""
    left, right, weight_left, weight_right = sources(width, image.shape[1])
    above, below, weight_above, weight_below = (values[..., None, None] for values in sources(height, len(image)))
    wide = image.astype(np.int32)
    sums = wide[:, left] * weight_left[:, None] + wide[:, right] * weight_right[:, None] >> 4
    upper, lower = sums[above[:, 0, 0]], sums[below[:, 0, 0]]
    mixed = (weight_above * upper >> 16) + (weight_below * lower >> 16)
    return (mixed + 2 >> 2).astype(np.uint8)


def sources(target: int, count: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the two of ``count`` source pixels of each of ``target`` pixels along an axis, and their weights.

    Beyond the edge both are the last pixel.
    """
    step = 1.0 / (target / count)
    exact = ((np.arange(target) + 0.5) * step - 0.5).astype(np.float32)
    first = np.floor(exact).astype(np.int32)
    fraction = exact - first.astype(np.float32)
    weights = [np.rint(part * np.float32(1 << WEIGHT_BITS)).astype(np.int32) for part in (1 - fraction, fraction)]
    return first.clip(0, count - 1), (first + 1).clip(0, count - 1), weights[0], weights[1]


MAX_IMAGES = 64
"""Images per launch. They are passed by value, so nothing is uploaded; every driver supports arguments of 4 KiB."""
TILE_WIDTH, TILE_HEIGHT = 128, 16
BLOCK = (32, 8, 1)

IMAGE = struct(
    ("pixels", np.uintp),
    ("pitch", np.int64),
    ("size", np.int32, 2),
    ("corners", np.int32, 4),
    ("steps", np.float64, 2),
)
LETTERBOX = struct(
    ("images", IMAGE, MAX_IMAGES),
    ("inputs", np.uintp),
    ("height", np.int32),
    ("width", np.int32),
    ("border", np.int32),
    ("swap", np.int32),
    ("scale", np.float64),
    ("offset", np.float64),
)


@dataclass(frozen=True)
class DeviceImage:
    """An image uint8 [height, width, 3] in device memory.

    Attributes:
        address: Address of the first pixel.
        height, width: Size in pixels, at least 1.
        pitch: Bytes from row to row, at least 3 * width.
    """

    address: int
    height: int
    width: int
    pitch: int


def letterbox_launches(
    images: Sequence[DeviceImage],
    places: Sequence[LetterboxPlacement],
    inputs: int,
    *,
    height: int,
    width: int,
    border: int = 114,
    scale: float = 1 / 255,
    offset: float = 0.0,
    swap: bool = True,
    half: bool = False,
) -> list[Launch]:
    """Return the launches that compute the network input of a batch: one per 64 images.

    Args:
        images, places: The images and their placements inside the input.
        inputs: Address of [B, 3, height, width], float32 or with ``half`` float16. Every value is written.
        height, width: Size of the network input.
        border: Level of the border, 0..255.
        scale: Factor of all levels, not negative.
        offset: Added to all values after scaling.
        swap: Reverse the channels: BGR to RGB.
        half: float16 instead of float32.

    Raises:
        HooklineError: An image has no pixels, or border, scale or offset are out of range.
    """
    if not 0 <= border <= 255 or not (scale >= 0 and math.isfinite(scale) and math.isfinite(offset)):
        raise HooklineError(
            f"the letterbox has border={border}, scale={scale:g}, offset={offset:g}",
            "possible: border from 0 to 255, scale from 0, offset any number; all finite",
        )
    bytes_each = 3 * height * width * (2 if half else 4)
    grid = (-(-width // TILE_WIDTH), -(-height // TILE_HEIGHT))
    launches = []
    for start in range(0, len(images), MAX_IMAGES):
        part = slice(start, start + MAX_IMAGES)
        argument = np.zeros(1, LETTERBOX)
        for entry, image, place in zip(argument["images"][0], images[part], places[part], strict=False):
            _fill(entry, image, place)
        argument[["inputs", "height", "width"]] = inputs + start * bytes_each, height, width
        argument[["border", "swap", "scale", "offset"]] = border, swap, scale, offset
        kernel = "letterbox_half" if half else "letterbox_float"
        launches.append(Launch("letterbox", kernel, (*grid, len(images[part])), BLOCK, argument))
    return launches


def _fill(entry: np.void, image: DeviceImage, place: LetterboxPlacement) -> None:
    if image.height < 1 or image.width < 1 or place.height < 1 or place.width < 1:
        raise HooklineError(
            f"an image of {image.width}x{image.height} pixels cannot be resized to {place.width}x{place.height}",
            "every side must have at least one pixel",
        )
    entry["pixels"], entry["pitch"], entry["size"] = image.address, image.pitch, (image.height, image.width)
    entry["corners"] = place.top, place.left, place.top + place.height, place.left + place.width
    # Two divisions, as in OpenCV, so that coordinates agree to the last bit.
    entry["steps"] = 1.0 / (place.height / image.height), 1.0 / (place.width / image.width)
