"""Boxes on their way through an augmentation, and which of them are still worth a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.pictures.geometry import Floats, Rectangle, project
from backends.yolov5.pictures.samples import Shape

SMALLEST_SIDE = 2.0
"""Pixels that both sides of a box must exceed."""
SMALLEST_SHARE = 0.1
"""Part of a box that must still be in the picture."""
LARGEST_ASPECT = 100.0
"""Long side over short side that a box must stay under."""


def to_corners(boxes: NDArray[np.floating], shape: Shape) -> Floats:
    """Centre and size in fractions to corners in pixels of a picture of this shape; [n, 4] both."""
    sides = np.array([shape[1], shape[0]], np.float64)
    centre, half = boxes[:, :2] * sides, boxes[:, 2:] * sides / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def to_fractions(corners: Floats, shape: Shape) -> Floats:
    """The inverse of :func:`to_corners`."""
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1) / np.array([shape[1], shape[0]] * 2, np.float64)


def clip(corners: Floats, area: Rectangle) -> Floats:
    """What of each box lies in the area; a box outside it loses a side."""
    low = np.array([area.left, area.top] * 2)
    high = np.array([area.right, area.bottom] * 2)
    return np.clip(corners, low, high)


def follow(corners: Floats, matrix: Floats, shown: Rectangle, shape: Shape) -> tuple[Floats, NDArray[np.bool_]]:
    """Take boxes to where their pixels went.

    Args:
        corners: [n, 4] in pixels of the picture.
        matrix: From the picture to the output.
        shown: The part of the picture that was drawn.
        shape: Of the output.

    Returns:
        Corners [n, 4] in pixels of the output, clipped to it, and which of them are worth a label.
    """
    whole = project(matrix, corners)
    output = Rectangle(0, 0, shape[1], shape[0])
    visible = clip(project(matrix, clip(corners, shown)), output)
    return visible, worth_a_label(whole, visible)


def worth_a_label(whole: Floats, visible: Floats) -> NDArray[np.bool_]:
    """Large enough, enough of it left, and not too thin; ``whole`` is before the picture's edge cut boxes off."""
    width, height = (visible[:, 2:] - visible[:, :2]).T
    whole_width, whole_height = (whole[:, 2:] - whole[:, :2]).T
    large = (width > SMALLEST_SIDE) & (height > SMALLEST_SIDE)
    enough = width * height > SMALLEST_SHARE * whole_width * whole_height
    compact = np.maximum(width, height) < LARGEST_ASPECT * np.minimum(width, height)
    kept: NDArray[np.bool_] = large & enough & compact
    return kept
