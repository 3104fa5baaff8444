"""Tiles on a canvas: a mosaic of four, or one image; an image with boxes out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from backends.yolov5.data.boxes import Floats, Rectangle, follow, scale_and_move, to_corners
from backends.yolov5.data.drawing import BORDER, draw, is_visible
from backends.yolov5.data.reading import ImageReader
from backends.yolov5.data.samples import LabelledImage, Picture, Shape


@dataclass(frozen=True)
class Tile:
    """The place of one picture, which can be told before the picture is read.

    Attributes:
        index: Of the sample.
        area: The part of the canvas that the picture stays in.
        fit: Height and width that the picture is enlarged or shrunk to fit into.
        pin: Point of the canvas, x and y, that the picture is fastened at.
        anchor: Point of the picture, in fractions, that lies there.
    """

    index: int
    area: Rectangle
    fit: Shape
    pin: tuple[float, float]
    anchor: tuple[float, float]

    def place(self, shape: Shape) -> tuple[Floats, Rectangle]:
        """From pixels of a picture of this shape to the canvas, and the part of the canvas that it covers.

        One picture in the middle lies exactly where the letterbox of validation puts it.
        """
        height, width = shape
        ratio = min(self.fit[0] / height, self.fit[1] / width)
        size = max(round(width * ratio), 1), max(round(height * ratio), 1)
        left, top = (
            round(pin - part * side - 0.1) for pin, part, side in zip(self.pin, self.anchor, size, strict=True)
        )
        matrix = scale_and_move((size[0] / width, size[1] / height), (left, top))
        area = self.area
        covered = Rectangle(
            max(left, area.left), max(top, area.top), min(left + size[0], area.right), min(top + size[1], area.bottom)
        )
        return matrix, covered


def single(index: int, shape: Shape) -> list[Tile]:
    """One picture, as large as the canvas lets it be, in the middle."""
    height, width = shape
    return [Tile(index, Rectangle(0, 0, width, height), shape, (width / 2, height / 2), (0.5, 0.5))]


def mosaic(indices: Sequence[int], side: int, rng: np.random.Generator) -> list[Tile]:
    """Four pictures that meet in a random point of the middle of a canvas of twice the side.

    Args:
        indices: Of the four samples: upper left, upper right, lower left, lower right.
        side: Length that the longer side of every picture gets.
        rng: Where the point comes from.
    """
    x, y = (int(value) for value in rng.integers(side // 2, side + side // 2, 2, endpoint=True))
    end = 2 * side
    areas = Rectangle(0, 0, x, y), Rectangle(x, 0, end, y), Rectangle(0, y, x, end), Rectangle(x, y, end, end)
    anchors = (1, 1), (0, 1), (1, 0), (0, 0)
    return [
        Tile(index, area, (side, side), (x, y), anchor)
        for index, area, anchor in zip(indices, areas, anchors, strict=True)
    ]


NOTHING = np.empty((0, 5))


def compose(
    tiles: Sequence[Tile], matrix: Floats, shape: Shape, samples: Sequence[LabelledImage], read: ImageReader
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
