"""Stage ``toy``: a generated data set of shapes on textured backgrounds, for tests and first steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from core.artifacts import Dataset
from core.hookspecs import hookimpl
from core.known import Known
from core.ranges import Positive, Range
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

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


def toy(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw the pictures and write their labels."""
    from stages.toy.generate import generate

    return generate(config, context)


def known(config: ToyConfig) -> Known:
    """Return the class names of the data set."""
    return Known("the data set", SHAPES[: config.classes])


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="toy",
        summary="make a data set of shapes on textured backgrounds",
        run=toy,
        packages=("numpy", "opencv"),
        automatic=False,
        known=known,
    )
