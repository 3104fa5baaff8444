"""Where pictures lie on a canvas: four around a point for a mosaic, or one in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.yolov5.pictures.geometry import Floats, Rectangle, scale_and_move
from backends.yolov5.pictures.samples import Shape


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
