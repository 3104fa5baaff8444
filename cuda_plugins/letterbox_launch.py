"""How ``letterbox.cu`` is launched; semantics of :func:`cuda_plugins.letterbox.letterbox`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct
from cuda_plugins.letterbox import Place

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
    places: Sequence[Place],
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


def _fill(entry: np.void, picture: Picture, place: Place) -> None:
    if picture.height < 1 or picture.width < 1 or place.height < 1 or place.width < 1:
        raise HooklineError(
            f"an image of {picture.width}x{picture.height} pixels at {place.width}x{place.height}",
            "every side must have at least one pixel",
        )
    entry["pixels"], entry["pitch"], entry["size"] = picture.address, picture.pitch, (picture.height, picture.width)
    entry["corners"] = place.top, place.left, place.top + place.height, place.left + place.width
    # Divided twice, as OpenCV does: the last bit of a coordinate follows from it.
    entry["steps"] = 1.0 / (place.height / picture.height), 1.0 / (place.width / picture.width)
