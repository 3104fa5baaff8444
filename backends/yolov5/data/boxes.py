"""Boxes and points through an augmentation: 3x3 matrices over continuous coordinates."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.samples import Shape
from backends.yolov5.training.options import TrainingOptions

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


Floats = NDArray[np.float64]

NEAREST = 0.05
"""Depth, relative to the centre's, below which a perspective shows nothing: points further on lie behind the eye."""


class Rectangle(NamedTuple):
    """Two corners, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def scale_and_move(scale: tuple[float, float], move: tuple[float, float]) -> Floats:
    """x, y become x * scale_x + move_x, y * scale_y + move_y."""
    return np.array([[scale[0], 0, move[0]], [0, scale[1], move[1]], [0, 0, 1.0]])


def random_matrix(settings: TrainingOptions, rng: np.random.Generator, canvas: Shape, output: Shape) -> Floats:
    """Centre of the canvas to the origin, perspective, rotation and zoom, shear, then to the middle of the output.

    Always takes the same count of random numbers, so that the settings of one change do not alter the others.

    Args:
        settings: How far each may go.
        rng: Where the numbers come from.
        canvas, output: Height and width before and after.
    """
    wander = rng.uniform(-1, 1, 8)
    perspective = np.eye(3)
    perspective[2, :2] = settings.perspective * wander[:2]
    angle, zoom = math.radians(settings.degrees * wander[2]), 1 + settings.scale * wander[3]
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    shear = np.eye(3)
    shear[0, 1], shear[1, 0] = (math.tan(math.radians(settings.shear * value)) for value in wander[4:6])
    shift_x, shift_y = 0.5 + settings.translate * wander[6:]
    centred = scale_and_move((1, 1), (-canvas[1] / 2, -canvas[0] / 2))
    moved = scale_and_move((1, 1), (shift_x * output[1], shift_y * output[0]))
    matrix: Floats = moved @ shear @ rotation @ perspective @ centred
    return matrix


def is_upright(matrix: Floats) -> bool:
    """Whether rectangles stay rectangles, neither turned nor mirrored."""
    return not matrix[[0, 1, 2, 2], [1, 0, 0, 1]].any() and bool(matrix[0, 0] > 0 and matrix[1, 1] > 0)


def is_affine(matrix: Floats) -> bool:
    """Whether parallel lines stay parallel."""
    return not matrix[2, :2].any()


def project(matrix: Floats, boxes: Floats) -> Floats:
    """The smallest upright boxes around where ``boxes`` go.

    Args:
        matrix: 3x3.
        boxes: [n, 4] left, top, right, bottom.

    Returns:
        [n, 4]; NaN for a box of which nothing lies before the eye.
    """
    points = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    depth = points[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = points[..., :2] / depth
    projected = np.concatenate([flat.min(1), flat.max(1)], axis=1)
    for row in np.flatnonzero((depth < NEAREST).any((1, 2))):
        visible = outline(matrix, Rectangle(*boxes[row]))
        projected[row] = [*visible.min(0), *visible.max(0)] if len(visible) else np.nan
    return projected


def outline(matrix: Floats, rectangle: Rectangle) -> Floats:
    """The polygon that a rectangle becomes, without what a perspective puts behind the eye: [k, 2], k = 0 or 3 to 5."""
    left, top, right, bottom = rectangle
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1.0]]) @ matrix.T
    kept: list[Floats] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if start[2] >= NEAREST:
            kept.append(start)
        if (start[2] >= NEAREST) != (end[2] >= NEAREST):
            kept.append(start + (end - start) * (NEAREST - start[2]) / (end[2] - start[2]))
    points = np.array(kept).reshape(-1, 3)
    return points[:, :2] / points[:, 2:]
