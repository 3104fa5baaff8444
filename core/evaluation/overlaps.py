"""Common areas of boxes, as corners x1, y1, x2, y2. Heavy: imports NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ious(one: Floats, other: Floats) -> Floats:
    """Return the IoU of each pair, [one, other]."""
    common = _common(one, other)
    total = _areas(one)[:, None] + _areas(other) - common
    return _ratio(common, total)


def shares(boxes: Floats, regions: Floats) -> Floats:
    """Return the share of the area of each box that is in each region, [boxes, regions].

    pycocotools compares it with the threshold of the IoU if the region is an annotation with ``iscrowd``.
    """
    common = _common(boxes, regions)
    return _ratio(common, np.broadcast_to(_areas(boxes)[:, None], common.shape))


def _common(one: Floats, other: Floats) -> Floats:
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    areas: Floats = np.clip(high - low, 0, None).prod(axis=2)
    return areas


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas


def _ratio(parts: Floats, wholes: Floats) -> Floats:
    ratio: Floats = np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
    return ratio
