"""Geometry of augmentation: random 3x3 matrices, and the boxes that they move."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.samples import Shape
from backends.yolov5.training.options import TrainingOptions

Floats = NDArray[np.float64]

SMALLEST_SIDE = 2.0
"""Both sides of a box must be longer than this, in pixels."""
SMALLEST_SHARE = 0.1
"""Minimum fraction of the area of a box that must remain in the image."""
LARGEST_ASPECT = 100.0
"""Upper bound of the aspect ratio of a box, exclusive."""
NEAR_PLANE = 0.05
"""Minimum depth, relative to that of the centre, of a visible point under perspective: the near plane."""


class Rectangle(NamedTuple):
    """An upright rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def to_corners(boxes: NDArray[np.floating], shape: Shape) -> Floats:
    """Convert centre and size as fractions, [n, 4], to corners in pixels of an image of this shape, [n, 4]."""
    sides = np.array([shape[1], shape[0]], np.float64)
    centre, half = boxes[:, :2] * sides, boxes[:, 2:] * sides / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def to_fractions(corners: Floats, shape: Shape) -> Floats:
    """Convert corners in pixels to centre and size as fractions: the inverse of :func:`to_corners`."""
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1) / np.array([shape[1], shape[0]] * 2, np.float64)


def clip(corners: Floats, area: Rectangle) -> Floats:
    """Clip boxes to the area; a box outside it gets width or height 0."""
    low = np.array([area.left, area.top] * 2)
    high = np.array([area.right, area.bottom] * 2)
    return np.clip(corners, low, high)


def follow(corners: Floats, matrix: Floats, shown: Rectangle, shape: Shape) -> tuple[Floats, NDArray[np.bool_]]:
    """Move boxes as the pixels of their image were moved.

    Args:
        corners: [n, 4] in pixels of the image.
        matrix: From the image to the output.
        shown: The part of the image that was drawn.
        shape: Height and width of the output.

    Returns:
        Corners [n, 4] in pixels of the output, clipped to it, and which boxes to keep.
    """
    whole = project(matrix, corners)
    output = Rectangle(0, 0, shape[1], shape[0])
    visible = clip(project(matrix, clip(corners, shown)), output)
    return visible, keep_mask(whole, visible)


def keep_mask(whole: Floats, visible: Floats) -> NDArray[np.bool_]:
    """Return which boxes are large enough, visible enough and not too thin; ``whole`` are the boxes before clipping."""
    width, height = (visible[:, 2:] - visible[:, :2]).T
    whole_width, whole_height = (whole[:, 2:] - whole[:, :2]).T
    large = (width > SMALLEST_SIDE) & (height > SMALLEST_SIDE)
    covered = width * height > SMALLEST_SHARE * whole_width * whole_height
    compact = np.maximum(width, height) < LARGEST_ASPECT * np.minimum(width, height)
    kept: NDArray[np.bool_] = large & covered & compact
    return kept


def has_area(corners: Floats) -> NDArray[np.bool_]:
    """Return which boxes are not empty."""
    left, top, right, bottom = corners.T
    visible: NDArray[np.bool_] = (right > left) & (bottom > top)
    return visible


def scale_and_move(scale: tuple[float, float], move: tuple[float, float]) -> Floats:
    """Return the matrix of x * scale_x + move_x, y * scale_y + move_y."""
    return np.array([[scale[0], 0, move[0]], [0, scale[1], move[1]], [0, 0, 1.0]])


def random_matrix(options: TrainingOptions, rng: np.random.Generator, canvas: Shape, output: Shape) -> Floats:
    """Return a random matrix: centre the canvas, then perspective, rotation and zoom, shear, and translation.

    Always draws the same number of random numbers, so that one option does not change the effect of the others.

    Args:
        options: Limits of each transformation.
        rng: Random generator.
        canvas: Height and width of the canvas.
        output: Height and width of the output.
    """
    wander = rng.uniform(-1, 1, 8)
    perspective = np.eye(3)
    perspective[2, :2] = options.perspective * wander[:2]
    angle, zoom = math.radians(options.degrees * wander[2]), 1 + options.scale * wander[3]
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    shear = np.eye(3)
    shear[0, 1], shear[1, 0] = (math.tan(math.radians(options.shear * value)) for value in wander[4:6])
    shift_x, shift_y = 0.5 + options.translate * wander[6:]
    centred = scale_and_move((1, 1), (-canvas[1] / 2, -canvas[0] / 2))
    moved = scale_and_move((1, 1), (shift_x * output[1], shift_y * output[0]))
    matrix: Floats = moved @ shear @ rotation @ perspective @ centred
    return matrix


def is_upright(matrix: Floats) -> bool:
    """Return whether the matrix only scales and moves: no rotation, shear, perspective or flip."""
    return not matrix[[0, 1, 2, 2], [1, 0, 0, 1]].any() and bool(matrix[0, 0] > 0 and matrix[1, 1] > 0)


def is_affine(matrix: Floats) -> bool:
    """Return whether the matrix has no perspective."""
    return not matrix[2, :2].any()


def project(matrix: Floats, boxes: Floats) -> Floats:
    """Return the upright bounding boxes of the transformed boxes.

    Args:
        matrix: 3x3.
        boxes: [n, 4] left, top, right, bottom.

    Returns:
        [n, 4]; NaN for a box that lies entirely behind the near plane.
    """
    points = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    depth = points[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = points[..., :2] / depth
    projected = np.concatenate([flat.min(1), flat.max(1)], axis=1)
    for row in np.flatnonzero((depth < NEAR_PLANE).any((1, 2))):
        visible = outline(matrix, Rectangle(*boxes[row]))
        projected[row] = [*visible.min(0), *visible.max(0)] if len(visible) else np.nan
    return projected


def outline(matrix: Floats, rectangle: Rectangle) -> Floats:
    """Return the transformed rectangle, cut at the near plane, as a polygon: [k, 2], k = 0 or 3 to 5."""
    left, top, right, bottom = rectangle
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1.0]]) @ matrix.T
    kept: list[Floats] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if start[2] >= NEAR_PLANE:
            kept.append(start)
        if (start[2] >= NEAR_PLANE) != (end[2] >= NEAR_PLANE):
            kept.append(start + (end - start) * (NEAR_PLANE - start[2]) / (end[2] - start[2]))
    points = np.array(kept).reshape(-1, 3)
    return points[:, :2] / points[:, 2:]
