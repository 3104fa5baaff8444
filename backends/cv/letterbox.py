"""Images to network input (docs/contracts.md, Input: letterbox)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.detections import Letterbox
from core.errors import HooklineError
from core.model_facts import InputContract


def placement(
    height: int, width: int, contract: InputContract, *, upscale: bool, fit: tuple[int, int] | None = None
) -> Letterbox:
    """Return where an image of this size goes: r = min(H/h, W/w), and the border that the contract's padding leaves.

    H and W are those of ``fit``, never more than the input's. In the centre, left = round(pad/2 - 0.1).
    """
    if not height or not width:
        raise HooklineError(f"an image of {width}x{height} pixels", "every side must have at least one pixel")
    rows, columns = fit or (contract.height, contract.width)
    ratio = min(min(rows, contract.height) / height, min(columns, contract.width) / width)
    ratio = ratio if upscale else min(ratio, 1.0)
    new_height, new_width = _size(height, width, ratio)
    top = left = 0
    if contract.padding == "centre":
        top = round((contract.height - new_height) / 2 - 0.1)
        left = round((contract.width - new_width) / 2 - 0.1)
    return Letterbox(ratio=ratio, left=left, top=top, height=height, width=width)


def resized_size(place: Letterbox) -> tuple[int, int]:
    """Height and width of a picture in network pixels."""
    return _size(place.height, place.width, place.ratio)


def _size(height: int, width: int, ratio: float) -> tuple[int, int]:
    """A picture thousands of times longer than wide keeps one pixel."""
    return max(1, round(height * ratio)), max(1, round(width * ratio))


ORDERS = {"rgb": (2, 1, 0), "bgr": (0, 1, 2)}


def letterbox(
    pictures: Sequence[NDArray[np.uint8]],
    contract: InputContract,
    *,
    upscale: bool = True,
    fit: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], list[Letterbox]]:
    """Fit each picture into the network's input and scale its values.

    Equal, bit for bit, to resizing, padding and ``float32(level * scale + offset)`` of every level: a table of the 256
    values is applied to the image only; the border is filled in.

    Args:
        pictures: uint8 BGR [H, W, 3], sizes may differ.
        contract: Size, padding, border, channel order, factor and offset.
        upscale: Enlarge pictures that are smaller than the input.
        fit: Height and width that pictures are scaled to fit into; None: the whole input.

    Returns:
        float32 [B, 3, height, width], and how each picture was placed.

    Raises:
        HooklineError: A picture without pixels.
    """
    table = (np.arange(256) * contract.scale + contract.offset).astype(np.float32)
    images = np.empty((len(pictures), 3, contract.height, contract.width), np.float32)
    placed = [placement(picture.shape[0], picture.shape[1], contract, upscale=upscale, fit=fit) for picture in pictures]
    for picture, place, planes in zip(pictures, placed, images, strict=True):
        _fill(planes, picture, place, table, contract)
    return images, placed


def _fill(
    planes: NDArray[np.float32],
    picture: NDArray[np.uint8],
    place: Letterbox,
    table: NDArray[np.float32],
    contract: InputContract,
) -> None:
    height, width = resized_size(place)
    if (height, width) != picture.shape[:2]:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    bottom, right = place.top + height, place.left + width
    border = table[contract.pad_value]
    planes[:, : place.top] = border
    planes[:, bottom:] = border
    planes[:, place.top : bottom, : place.left] = border
    planes[:, place.top : bottom, right:] = border
    inside = planes[:, place.top : bottom, place.left : right]
    channels = cv2.split(picture)
    for plane, channel in zip(inside, ORDERS[contract.channels], strict=True):
        cv2.LUT(channels[channel], table, dst=plane)
