"""Stage ``toy``: a generated data set of shapes on textured backgrounds, for tests and first steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
SMALLEST, LARGEST = 64, 4096


@dataclass
class ToyConfig:
    """Options of the stage. The pictures also follow the top-level ``seed``.

    Attributes:
        classes: How many of circle, square, triangle, star, cross, ring.
        train: Pictures of the train split.
        val: Pictures of the val split.
        imgsz: Height and width of the pictures in pixels; objects are a tenth to half as large.
        objects: Most objects a picture; one picture in twenty has none.
    """

    classes: int = 3
    train: int = 400
    val: int = 100
    imgsz: int = 320
    objects: int = 4


def toy(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw the pictures and write their labels."""
    from stages.toy.generate import generate

    return generate(config, context)


def check(config: ToyConfig, _context: RunContext) -> Iterable[HooklineError]:
    """Options out of range."""
    if not 1 <= config.classes <= len(SHAPES):
        yield HooklineError(f"toy.classes={config.classes} is out of range", f"1 to {len(SHAPES)}: {', '.join(SHAPES)}")
    for word in ("train", "val", "objects"):
        if (value := getattr(config, word)) < 1:
            yield HooklineError(f"toy.{word}={value} is out of range", "it is at least 1")
    if not SMALLEST <= config.imgsz <= LARGEST:
        yield HooklineError(f"toy.imgsz={config.imgsz} is out of range", f"it goes from {SMALLEST} to {LARGEST} pixels")


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="toy",
        summary="make a data set of shapes on textured backgrounds",
        run=toy,
        check=check,
        automatic=False,
    )
