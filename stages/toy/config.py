"""Options of the stage ``toy``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from core.options.ranges import Positive, Range

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")


@dataclass
class ToyConfig:
    """Options of the stage. The images also depend on the top-level ``seed``.

    Attributes:
        classes: Number of classes, in the order circle, square, triangle, star, cross, ring.
        train: Number of images in the train split.
        val: Number of images in the val split.
        imgsz: Height and width of the images in pixels; the size of objects is 10 % to 50 % of it.
        objects: Maximum number of objects per image; one image in twenty has none.
    """

    classes: Annotated[int, Range(1, len(SHAPES))] = 3
    train: Positive = 400
    val: Positive = 100
    imgsz: Annotated[int, Range(64, 4096)] = 320
    objects: Positive = 4
