"""The plain way to a mosaic, to compare with: resize, paste on a canvas of twice the side, warp the canvas."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backends.yolov5.data.boxes import Floats
from backends.yolov5.data.mosaic import Tile
from backends.yolov5.data.samples import Image

HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
"""OpenCV counts from the centres of pixels."""


def compose_on_canvas(tiles: Sequence[Tile], matrix: Floats, side: int, images: Sequence[Image]) -> Image:
    """uint8 BGR [side, side, 3]."""
    canvas = np.full((2 * side, 2 * side, 3), 114, np.uint8)
    for tile in tiles:
        place, covered = tile.place(images[tile.index].shape[:2])
        height, width = images[tile.index].shape[:2]
        size = round(width * place[0, 0]), round(height * place[1, 1])
        tile_pixels = cv2.resize(images[tile.index], size, interpolation=cv2.INTER_LINEAR)
        left, top, right, bottom = (int(value) for value in covered)
        x, y = int(place[0, 2]), int(place[1, 2])
        canvas[top:bottom, left:right] = tile_pixels[top - y : bottom - y, left - x : right - x]
    centred = np.linalg.inv(HALF) @ matrix @ HALF
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": (114, 114, 114)}
    if matrix[2, :2].any():
        return cv2.warpPerspective(canvas, centred, (side, side), **options)
    return cv2.warpAffine(canvas, centred[:2], (side, side), **options)
