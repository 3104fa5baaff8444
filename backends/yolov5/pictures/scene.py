"""A picture with boxes out of the tiles of a canvas and a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backends.yolov5.pictures.boxes import follow, to_corners
from backends.yolov5.pictures.drawing import BORDER, draw, is_visible
from backends.yolov5.pictures.geometry import Floats
from backends.yolov5.pictures.reading import Reader
from backends.yolov5.pictures.samples import Labelled, Picture, Shape
from backends.yolov5.pictures.tiles import Tile

NOTHING = np.empty((0, 5))


def compose(
    tiles: Sequence[Tile], matrix: Floats, shape: Shape, samples: Sequence[Labelled], read: Reader
) -> tuple[Picture, Floats]:
    """Draw tiles and take their boxes along. A picture of which nothing would be seen is never read.

    Args:
        tiles: Where pictures lie on the canvas.
        matrix: From the canvas to the output.
        shape: Height and width of the output.
        samples: All of them; tiles have indices into it.
        read: Gives their pictures.

    Returns:
        The output, uint8 BGR [H, W, 3], and its rows [n, 5]: class, left, top, right, bottom in pixels.
    """
    output = np.full((*shape, 3), BORDER, np.uint8)
    rows = [NOTHING]
    for tile in tiles:
        if not is_visible(tile.area, matrix, output):
            continue
        picture = read(tile.index)
        drawn = draw(output, picture, *tile.place(_shape(picture)), matrix)
        sample = samples[tile.index]
        if drawn is None or not len(sample.classes):
            continue
        corners, kept = follow(to_corners(sample.boxes, _shape(picture)), *drawn, shape)
        rows.append(np.column_stack([sample.classes, corners])[kept])
    return output, np.concatenate(rows)


def flip(picture: Picture, rows: Floats, *, sideways: bool, over: bool) -> tuple[Picture, Floats]:
    """The mirror image, left-right (``sideways``) and up-down (``over``), of a picture and its rows."""
    if not sideways and not over:
        return picture, rows
    height, width = _shape(picture)
    flipped = rows.copy()
    if sideways:
        flipped[:, [1, 3]] = width - rows[:, [3, 1]]
    if over:
        flipped[:, [2, 4]] = height - rows[:, [4, 2]]
    return cv2.flip(picture, -1 if sideways and over else int(sideways)), flipped


def blend(first: tuple[Picture, Floats], second: tuple[Picture, Floats], part: float) -> tuple[Picture, Floats]:
    """Mixup: ``part`` of the first picture, the rest of the second, and the rows of both."""
    picture = cv2.addWeighted(first[0], part, second[0], 1 - part, 0)
    return picture, np.concatenate([first[1], second[1]])


def _shape(picture: Picture) -> Shape:
    return picture.shape[0], picture.shape[1]
