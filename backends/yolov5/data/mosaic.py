"""Mosaics: the layout of images on a canvas, and the training image with boxes that is drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from backends.yolov5.data.boxes import Floats, Rectangle, follow, has_area, scale_and_move, to_corners
from backends.yolov5.data.drawing import BORDER, draw, is_visible
from backends.yolov5.data.reading import ImageReader
from backends.yolov5.data.samples import REGION, Image, LabelledImage, Shape


@dataclass(frozen=True)
class Tile:
    """The placement of one image on the canvas, known before the image is read.

    Attributes:
        index: Index of the sample.
        area: The part of the canvas that the image may cover.
        fit: Height and width that the image is scaled to fit into.
        pin: Point of the canvas, x and y, that ``anchor`` is placed on.
        anchor: Point of the image, x and y as fractions.
    """

    index: int
    area: Rectangle
    fit: Shape
    pin: tuple[float, float]
    anchor: tuple[float, float]

    def place(self, shape: Shape) -> tuple[Floats, Rectangle]:
        """Return the matrix from an image of this shape to the canvas, and the part of the canvas that it covers.

        A single centred image is placed exactly where the letterbox of validation places it.
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
    """Return the layout of one image, scaled to the canvas and centred."""
    height, width = shape
    return [Tile(index, Rectangle(0, 0, width, height), shape, (width / 2, height / 2), (0.5, 0.5))]


def mosaic(indices: Sequence[int], side: int, rng: np.random.Generator) -> list[Tile]:
    """Return the layout of four images that meet at a random point near the centre of a canvas of twice the side.

    Args:
        indices: The four samples: upper left, upper right, lower left, lower right.
        side: Longer side of every image on the canvas, pixels.
        rng: Random generator of the point.
    """
    x, y = (int(value) for value in rng.integers(side // 2, side + side // 2, 2, endpoint=True))
    end = 2 * side
    areas = Rectangle(0, 0, x, y), Rectangle(x, 0, end, y), Rectangle(0, y, x, end), Rectangle(x, y, end, end)
    anchors = (1, 1), (0, 1), (1, 0), (0, 0)
    return [
        Tile(index, area, (side, side), (x, y), anchor)
        for index, area, anchor in zip(indices, areas, anchors, strict=True)
    ]


NO_ROWS = np.empty((0, 5))


def compose(
    tiles: Sequence[Tile], matrix: Floats, shape: Shape, samples: Sequence[LabelledImage], read: ImageReader
) -> tuple[Image, Floats]:
    """Draw tiles and transform their boxes. An image that would not be visible is never read.

    An ignore region is kept as long as any of it is visible, however small: a dropped one would make its objects
    background.

    Args:
        tiles: Placement of images on the canvas.
        matrix: Matrix from the canvas to the output.
        shape: Height and width of the output.
        samples: The samples that the tiles refer to.
        read: Reads the image of a sample.

    Returns:
        The output, uint8 BGR [H, W, 3], and its rows [n, 5]: class or ``REGION``, left, top, right, bottom in pixels.
    """
    output = np.full((*shape, 3), BORDER, np.uint8)
    rows = [NO_ROWS]
    for tile in tiles:
        if not is_visible(tile.area, matrix, output):
            continue
        image = read(tile.index)
        drawn = draw(output, image, *tile.place(_shape(image)), matrix)
        classes, boxes = samples[tile.index].rows()
        if drawn is None or not len(classes):
            continue
        corners, kept = follow(to_corners(boxes, _shape(image)), *drawn, shape)
        kept = np.where(classes == REGION, has_area(corners), kept)
        rows.append(np.column_stack([classes, corners])[kept])
    return output, np.concatenate(rows)


def flip(image: Image, rows: Floats, *, fliplr: bool, flipud: bool) -> tuple[Image, Floats]:
    """Flip an image and its rows left-right (``fliplr``), up-down (``flipud``) or both."""
    if not fliplr and not flipud:
        return image, rows
    height, width = _shape(image)
    flipped = rows.copy()
    if fliplr:
        flipped[:, [1, 3]] = width - rows[:, [3, 1]]
    if flipud:
        flipped[:, [2, 4]] = height - rows[:, [4, 2]]
    return cv2.flip(image, -1 if fliplr and flipud else int(fliplr)), flipped


def blend(first: tuple[Image, Floats], second: tuple[Image, Floats], part: float) -> tuple[Image, Floats]:
    """Mixup: blend two images, the first with weight ``part``, and keep the rows of both."""
    image = cv2.addWeighted(first[0], part, second[0], 1 - part, 0)
    return image, np.concatenate([first[1], second[1]])


def _shape(image: Image) -> Shape:
    return image.shape[0], image.shape[1]
