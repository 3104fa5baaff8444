"""Checks of the boxes of one image that need its size or its other boxes. Heavy: imports NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import counted
from core.labels import Labels

MIN_IOU = 0.9
"""IoU of two boxes of one class from which they probably label one object."""
MAX_COMPARED = 3000
"""Maximum number of boxes of an image that are compared with each other."""
ROWS = 128
"""Boxes that are compared with all others at once."""
MIN_PIXELS = 2.0
"""Side of a box in pixels of the network input; if both are shorter, the object is too small to be learned."""
WHOLE = 0.98
"""Fraction of width and height of the image from which a box covers it."""


def box_findings(
    labels: Labels, names: Sequence[str], size: tuple[int, int], imgsz: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    """Yield kind and description of at most one finding per kind about the boxes of an image.

    Args:
        labels: The objects of the image.
        names: Class names.
        size: Height and width of the image in pixels.
        imgsz: Height and width of the input of the network in pixels.
    """
    if len(labels):
        found = (_coinciding(labels, names), _tiny(labels, size, imgsz), _covering(labels, names))
        yield from ((kind, text) for kind, text in found if text)


def _coinciding(labels: Labels, names: Sequence[str]) -> tuple[str, str]:
    pairs = near_identical(labels)
    if not pairs:
        return "near-identical-box", ""
    first, second, iou = pairs[0]
    many = (
        f"{counted(len(pairs), 'box')} that coincide with an earlier one, e.g. two" if len(pairs) > 1 else "two boxes"
    )
    name, boxes = names[labels.classes[first]], labels.boxes
    return (
        "near-identical-box",
        f"{many} of '{name}' with an IoU of {iou:.2f}: {_row(boxes[first])} and {_row(boxes[second])}",
    )


def near_identical(labels: Labels) -> list[tuple[int, int, float]]:
    """Return each object that coincides with an earlier one of its class: the earlier one, its index, and the IoU.

    Of an image with more than :data:`MAX_COMPARED` objects only the first are compared.
    """
    count = min(len(labels), MAX_COMPARED)
    if count < 2:
        return []
    boxes, classes = labels.boxes[:count], labels.classes[:count]
    found: list[tuple[int, int, float]] = []
    for top in range(0, count, ROWS):
        rows = slice(top, top + ROWS)
        ious = _ious(boxes[rows], boxes[: top + ROWS])
        ious *= classes[rows, None] == classes[: top + ROWS]
        earlier = np.tril(ious, top - 1)
        best = earlier.argmax(axis=1)
        values = earlier[np.arange(len(best)), best]
        found += [(int(best[row]), top + int(row), float(values[row])) for row in np.flatnonzero(values >= MIN_IOU)]
    return found


def _ious(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of each pair, float64 [boxes, others]; boxes are centre x, centre y, width, height."""
    low = np.maximum((boxes[:, :2] - boxes[:, 2:] / 2)[:, None], others[:, :2] - others[:, 2:] / 2)
    high = np.minimum((boxes[:, :2] + boxes[:, 2:] / 2)[:, None], others[:, :2] + others[:, 2:] / 2)
    common = np.maximum(high - low, 0).prod(axis=2)
    areas = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)
    return np.asarray(common / (areas - common), np.float64)


def _tiny(labels: Labels, size: tuple[int, int], imgsz: tuple[int, int]) -> tuple[str, str]:
    """Find objects with both sides below :data:`MIN_PIXELS` after the letterbox."""
    ratio = min(imgsz[0] / size[0], imgsz[1] / size[1])
    sides = labels.boxes[:, 2:] * (size[1] * ratio, size[0] * ratio)
    tiny = sides[sides.max(axis=1) < MIN_PIXELS]
    if not len(tiny):
        return "tiny-object", ""
    width, height = tiny[tiny.prod(axis=1).argmin()]
    given = f"imgsz={imgsz[0]}" if imgsz[0] == imgsz[1] else f"imgsz=[{imgsz[0]},{imgsz[1]}]"
    smallest = ", the smallest" if len(tiny) > 1 else ":"
    return (
        "tiny-object",
        f"{counted(len(tiny), 'box')} under 2 x 2 pixels at {given}{smallest} {width:.1f} x {height:.1f}",
    )


def _covering(labels: Labels, names: Sequence[str]) -> tuple[str, str]:
    whole = np.flatnonzero(_visible(labels.boxes).min(axis=1) >= WHOLE)
    if not len(whole):
        return "whole-image-box", ""
    boxes = f"{counted(len(whole), 'box')} that cover" if len(whole) > 1 else "a box that covers"
    return "whole-image-box", f"{boxes} the image, of class '{names[labels.classes[whole[0]]]}'"


def _visible(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return width and height of the part of each box inside the image, as fractions."""
    low = np.maximum(boxes[:, :2] - boxes[:, 2:] / 2, 0)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:] / 2, 1)
    return np.asarray(high - low, np.float64)


def _row(box: NDArray[np.float64]) -> str:
    return "'" + " ".join(f"{value:.4g}" for value in box.tolist()) + "'"
