"""Draw one image onto the output in a single step, with random hue, saturation and value."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.boxes import Floats, Rectangle, is_affine, is_upright, outline, project, scale_and_move
from backends.yolov5.data.samples import Picture
from backends.yolov5.training.options import TrainingOptions

HUES = 180
"""Steps of OpenCV's hue, two degrees each."""

_VALUES = np.arange(256)


def random_gains(settings: TrainingOptions, rng: np.random.Generator) -> tuple[float, float, float]:
    """Factors of hue, saturation and value, 1 plus or minus the settings."""
    hue, saturation, value = 1 + rng.uniform(-1, 1, 3) * (settings.hsv_h, settings.hsv_s, settings.hsv_v)
    return float(hue), float(saturation), float(value)


def write_planes(picture: Picture, gains: tuple[float, float, float], planes: Picture) -> None:
    """Change the colours of a BGR picture and write it as RGB planes.

    Args:
        picture: uint8 [H, W, 3]; it is overwritten.
        gains: Factors of hue, saturation and value; where all are 1, no value changes.
        planes: uint8 [3, H, W], written.
    """
    if gains == (1, 1, 1):
        cv2.split(picture, list(planes[::-1]))
        return
    changed = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    hue, saturation, value = channels = list(planes)  # room that is overwritten at the end
    cv2.split(changed, channels)
    cv2.LUT(hue, (_VALUES * gains[0] % HUES).astype(np.uint8), dst=hue)
    for channel, gain in ((saturation, gains[1]), (value, gains[2])):
        cv2.convertScaleAbs(channel, channel, gain)  # rounds and saturates, several times as fast as a table
    cv2.merge(channels, changed)
    cv2.cvtColor(changed, cv2.COLOR_HSV2RGB, dst=picture)
    cv2.split(picture, channels)


BORDER = 114
"""Grey of what no picture covers."""
LARGEST_STEP = 2.0
"""Up to this enlargement an upright picture is cut at whole pixels, which moves it by at most one pixel."""
SUBPIXEL_BITS = 4


class Drawn(NamedTuple):
    """What was drawn: ``matrix`` from the picture to the output, and the part of the picture that was ``shown``."""

    matrix: Floats
    shown: Rectangle


def draw(output: Picture, picture: Picture, place: Floats, covered: Rectangle, matrix: Floats) -> Drawn | None:
    """Draw a part of a picture where two matrices bring it.

    Args:
        output: What to draw on, in place.
        picture: What to draw.
        place: From the picture to the canvas.
        covered: The part of the canvas to show.
        matrix: From the canvas to the output.

    Returns:
        None where nothing of it falls on the output.
    """
    whole = matrix @ place
    back: Floats = np.linalg.inv(place).astype(np.float64)
    (shown,) = project(back, np.array([covered], np.float64))
    if is_upright(whole):
        scale = whole[0, 0], whole[1, 1]
        if max(scale) <= LARGEST_STEP:
            return _draw_cut(output, picture, whole, Rectangle(*shown))
    return _draw_warped(output, picture, whole, Rectangle(*shown))


def is_visible(area: Rectangle, matrix: Floats, output: Picture) -> bool:
    """Whether any pixel of the output may show this part of the canvas."""
    return _window(outline(matrix, area), output) is not None


def _draw_cut(output: Picture, picture: Picture, matrix: Floats, shown: Rectangle) -> Drawn | None:
    """Cut at whole pixels and resize, four times as fast as to warp; the matrix is that of what was drawn."""
    points = outline(matrix, shown)
    window = _window(points, output)
    if window is None:
        return None
    columns, rows = window
    left, right = _source_pixels(columns, matrix[0, 0], matrix[0, 2], picture.shape[1])
    top, bottom = _source_pixels(rows, matrix[1, 1], matrix[1, 2], picture.shape[0])
    target = output[rows, columns]
    cv2.resize(
        picture[top:bottom, left:right],
        (target.shape[1], target.shape[0]),
        dst=target,
        interpolation=cv2.INTER_LINEAR,
    )
    scale = target.shape[1] / (right - left), target.shape[0] / (bottom - top)
    move = columns.start - left * scale[0], rows.start - top * scale[1]
    return Drawn(scale_and_move(scale, move), Rectangle(left, top, right, bottom))


def _source_pixels(target: slice, scale: float, move: float, side: int) -> tuple[int, int]:
    """First and past the last pixel of the picture for these pixels of the output."""
    start = min(max(round((target.start - move) / scale), 0), side - 1)
    return start, min(max(round((target.stop - move) / scale), start + 1), side)


def _draw_warped(output: Picture, picture: Picture, matrix: Floats, shown: Rectangle) -> Drawn | None:
    """Any matrix: warp the window that the part falls into, and take over what lies inside its outline."""
    points = outline(matrix, shown)
    window = _window(points, output)
    if window is None:
        return None
    columns, rows = window
    target = output[rows, columns]
    corner = scale_and_move((1, 1), (-columns.start, -rows.start))
    warped = _warp(picture, corner @ matrix, (target.shape[1], target.shape[0]))
    mask = np.zeros(target.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _fixed_point(points - (columns.start, rows.start)), 255, shift=SUBPIXEL_BITS)
    cv2.copyTo(warped, mask, target)
    return Drawn(matrix, shown)


def _warp(picture: Picture, matrix: Floats, size: tuple[int, int]) -> Picture:
    """OpenCV counts from the centres of pixels, half a pixel off our coordinates."""
    centred = scale_and_move((1, 1), (-0.5, -0.5)) @ matrix @ scale_and_move((1, 1), (0.5, 0.5))
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    if is_affine(matrix):
        affine: Picture = cv2.warpAffine(picture, centred[:2], size, **options)
        return affine
    warped: Picture = cv2.warpPerspective(picture, centred, size, **options)
    return warped


def _fixed_point(points: Floats) -> NDArray[np.int32]:
    limit = 2**26  # far outside any picture, and still an int32
    fixed: NDArray[np.int32] = np.clip(np.round((points - 0.5) * 2**SUBPIXEL_BITS), -limit, limit).astype(np.int32)
    return fixed


def _window(points: Floats, output: Picture) -> tuple[slice, slice] | None:
    """Columns and rows of the output whose centres lie within the bounds of a polygon."""
    if not len(points):
        return None
    (left, top), (right, bottom) = points.min(0), points.max(0)
    columns = _centres(left, right, output.shape[1])
    rows = _centres(top, bottom, output.shape[0])
    return None if columns is None or rows is None else (columns, rows)


def _centres(low: float, high: float, side: int) -> slice | None:
    start = max(math.ceil(min(low, side) - 0.5), 0)
    stop = min(math.ceil(max(high, 0) - 0.5), side)
    return slice(start, stop) if start < stop else None
