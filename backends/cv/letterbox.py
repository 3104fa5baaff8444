"""Letterbox: convert images to network input (docs/contracts.md, Input: letterbox)."""

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
    """Return the placement of an image of this size: r = min(H/h, W/w), and the border of the contract's padding.

    H and W are those of ``fit``, at most those of the input. If centred, left = round(pad/2 - 0.1).
    """
    if not height or not width:
        raise HooklineError(
            f"an image of {width}x{height} pixels cannot be resized", "every side must have at least one pixel"
        )
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
    """Return the height and width of an image in network pixels."""
    return _size(place.height, place.width, place.ratio)


def _size(height: int, width: int, ratio: float) -> tuple[int, int]:
    """Return the scaled size; very narrow images keep one pixel."""
    return max(1, round(height * ratio)), max(1, round(width * ratio))


ORDERS = {"rgb": (2, 1, 0), "bgr": (0, 1, 2)}


def letterbox(
    images: Sequence[NDArray[np.uint8]],
    contract: InputContract,
    *,
    upscale: bool = True,
    fit: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], list[Letterbox]]:
    """Fit each image into the network input and scale its values.

    The result is bit for bit that of resizing, padding and ``float32(level * scale + offset)`` of every level. The
    image goes through a table of the 256 values, the border is filled with one value.

    Args:
        images: uint8 BGR [H, W, 3]; sizes may differ.
        contract: Input size, padding, border level, channel order, scale and offset.
        upscale: Enlarge images that are smaller than the input.
        fit: Height and width that images are scaled to fit; None: those of the input.

    Returns:
        float32 [B, 3, height, width], and the placement of each image.

    Raises:
        HooklineError: An image has no pixels.
    """
    table = (np.arange(256) * contract.scale + contract.offset).astype(np.float32)
    batch = np.empty((len(images), 3, contract.height, contract.width), np.float32)
    placed = [placement(image.shape[0], image.shape[1], contract, upscale=upscale, fit=fit) for image in images]
    for image, place, planes in zip(images, placed, batch, strict=True):
        _fill(planes, image, place, table, contract)
    return batch, placed


def _fill(
    planes: NDArray[np.float32],
    image: NDArray[np.uint8],
    place: Letterbox,
    table: NDArray[np.float32],
    contract: InputContract,
) -> None:
    height, width = resized_size(place)
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    bottom, right = place.top + height, place.left + width
    border = table[contract.pad_value]
    planes[:, : place.top] = border
    planes[:, bottom:] = border
    planes[:, place.top : bottom, : place.left] = border
    planes[:, place.top : bottom, right:] = border
    inside = planes[:, place.top : bottom, place.left : right]
    channels = cv2.split(image)
    for plane, channel in zip(inside, ORDERS[contract.channels], strict=True):
        cv2.LUT(channels[channel], table, dst=plane)
