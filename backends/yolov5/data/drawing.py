"""Drawing of a source image onto the training image in one resampling step, and colour augmentation."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.boxes import Floats, Rectangle, is_affine, is_upright, outline, project, scale_and_move
from backends.yolov5.data.samples import Image
from backends.yolov5.training.options import TrainingOptions

HUES = 180
"""Number of hue values in OpenCV; one step is two degrees."""

_VALUES = np.arange(256)


def random_gains(options: TrainingOptions, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return random factors of hue, saturation and value: 1 plus or minus ``hsv_h``, ``hsv_s``, ``hsv_v``."""
    hue, saturation, value = 1 + rng.uniform(-1, 1, 3) * (options.hsv_h, options.hsv_s, options.hsv_v)
    return float(hue), float(saturation), float(value)


def write_planes(image: Image, gains: tuple[float, float, float], planes: Image) -> None:
    """Adjust the colours of a BGR image and write it as RGB planes.

    Args:
        image: uint8 BGR [H, W, 3]; overwritten.
        gains: Factors of hue, saturation and value; if all are 1, the colours stay exactly the same.
        planes: uint8 RGB [3, H, W]; the result.
    """
    if gains == (1, 1, 1):
        cv2.split(image, list(planes[::-1]))
        return
    changed = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hue, saturation, value = channels = list(planes)  # used as scratch memory
    cv2.split(changed, channels)
    cv2.LUT(hue, (_VALUES * gains[0] % HUES).astype(np.uint8), dst=hue)
    for channel, gain in ((saturation, gains[1]), (value, gains[2])):
        cv2.convertScaleAbs(channel, channel, gain)  # rounds and saturates, several times as fast as a table
    cv2.merge(channels, changed)
    cv2.cvtColor(changed, cv2.COLOR_HSV2RGB, dst=image)
    cv2.split(image, channels)


BORDER = 114
"""Grey value of uncovered pixels."""
LARGEST_STEP = 2.0
"""Up to this scale an upright image is cropped at whole pixels, which moves it by at most one pixel."""
SUBPIXEL_BITS = 4


class Drawn(NamedTuple):
    """What was drawn: the ``matrix`` from the image to the output, and the part of the image that is ``shown``."""

    matrix: Floats
    shown: Rectangle


def draw(output: Image, image: Image, place: Floats, covered: Rectangle, matrix: Floats) -> Drawn | None:
    """Draw the visible part of an image onto ``output``.

    Args:
        output: The image to draw on, modified in place.
        image: The image to draw.
        place: Matrix from the image to the canvas.
        covered: The part of the canvas that the image covers.
        matrix: Matrix from the canvas to the output.

    Returns:
        What was drawn; None if no part of the image is inside the output.
    """
    whole = matrix @ place
    back: Floats = np.linalg.inv(place).astype(np.float64)
    (shown,) = project(back, np.array([covered], np.float64))
    if is_upright(whole):
        scale = whole[0, 0], whole[1, 1]
        if max(scale) <= LARGEST_STEP:
            return _draw_cropped(output, image, whole, Rectangle(*shown))
    return _draw_warped(output, image, whole, Rectangle(*shown))


def is_visible(area: Rectangle, matrix: Floats, output: Image) -> bool:
    """Return whether any pixel of the output may show this part of the canvas."""
    return _window(outline(matrix, area), output) is not None


def _draw_cropped(output: Image, image: Image, matrix: Floats, shown: Rectangle) -> Drawn | None:
    """Crop at whole pixels and resize: four times as fast as warping. The returned matrix is exact for the crop."""
    points = outline(matrix, shown)
    window = _window(points, output)
    if window is None:
        return None
    columns, rows = window
    left, right = _source_pixels(columns, matrix[0, 0], matrix[0, 2], image.shape[1])
    top, bottom = _source_pixels(rows, matrix[1, 1], matrix[1, 2], image.shape[0])
    target = output[rows, columns]
    cv2.resize(
        image[top:bottom, left:right],
        (target.shape[1], target.shape[0]),
        dst=target,
        interpolation=cv2.INTER_LINEAR,
    )
    scale = target.shape[1] / (right - left), target.shape[0] / (bottom - top)
    move = columns.start - left * scale[0], rows.start - top * scale[1]
    return Drawn(scale_and_move(scale, move), Rectangle(left, top, right, bottom))


def _source_pixels(target: slice, scale: float, move: float, side: int) -> tuple[int, int]:
    """Return the range of source pixels, end exclusive, for these pixels of the output."""
    start = min(max(round((target.start - move) / scale), 0), side - 1)
    return start, min(max(round((target.stop - move) / scale), start + 1), side)


def _draw_warped(output: Image, image: Image, matrix: Floats, shown: Rectangle) -> Drawn | None:
    """Warp the image with any matrix, and copy the pixels inside its outline."""
    points = outline(matrix, shown)
    window = _window(points, output)
    if window is None:
        return None
    columns, rows = window
    target = output[rows, columns]
    corner = scale_and_move((1, 1), (-columns.start, -rows.start))
    warped = _warp(image, corner @ matrix, (target.shape[1], target.shape[0]))
    mask = np.zeros(target.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _fixed_point(points - (columns.start, rows.start)), 255, shift=SUBPIXEL_BITS)
    cv2.copyTo(warped, mask, target)
    return Drawn(matrix, shown)


def _warp(image: Image, matrix: Floats, size: tuple[int, int]) -> Image:
    """Warp an image. OpenCV's coordinates start at the centre of the first pixel, half a pixel off ours."""
    centred = scale_and_move((1, 1), (-0.5, -0.5)) @ matrix @ scale_and_move((1, 1), (0.5, 0.5))
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    if is_affine(matrix):
        affine: Image = cv2.warpAffine(image, centred[:2], size, **options)
        return affine
    warped: Image = cv2.warpPerspective(image, centred, size, **options)
    return warped


def _fixed_point(points: Floats) -> NDArray[np.int32]:
    limit = 2**26  # far outside any image, and fits int32
    fixed: NDArray[np.int32] = np.clip(np.round((points - 0.5) * 2**SUBPIXEL_BITS), -limit, limit).astype(np.int32)
    return fixed


def _window(points: Floats, output: Image) -> tuple[slice, slice] | None:
    """Return the columns and rows of the output whose pixel centres are inside the bounds of a polygon."""
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
