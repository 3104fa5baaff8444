"""Options of the stage ``toy``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from core.options.ranges import Positive, Range

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")


@dataclass
class ToyConfig:
    """Options of the stage. The pictures also follow the top-level ``seed``.

    Attributes:
        classes: How many of circle, square, triangle, star, cross, ring.
        train: Images of the train split.
        val: Images of the val split.
        imgsz: Height and width of the images in pixels; objects are a tenth to half as large.
        objects: Maximum number of objects per image; one image in twenty has none.
    """

    classes: Annotated[int, Range(1, len(SHAPES))] = 3
    train: Positive = 400
    val: Positive = 100
    imgsz: Annotated[int, Range(64, 4096)] = 320
    objects: Positive = 4
