"""What a reader of annotations gives, whatever the format."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from core.dataset_files import Row

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


@dataclass(frozen=True)
class Box:
    """One object: its class by name, and its corners in the unit of its :class:`Item`."""

    name: str
    corners: Corners


@dataclass(frozen=True)
class Item:
    """One picture with what was annotated on it.

    Attributes:
        picture: The file.
        boxes: Its objects; empty for a background picture.
        pixels: Whether corners are pixels; else they are fractions of the picture.
        stated: Height and width in pixels as the annotation says them, None where it does not.
        split: Which split the source puts it in, None where it has none.
    """

    picture: Path
    boxes: tuple[Box, ...]
    pixels: bool = False
    stated: tuple[int, int] | None = None
    split: str | None = None


@dataclass(frozen=True)
class Labelled:
    """A picture with the rows of its new label file."""

    picture: Path
    rows: tuple[Row, ...]
    split: str | None


@dataclass
class Annotations:
    """All that was read.

    Attributes:
        names: Classes in the source's own order.
        items: One a picture.
        missing: Annotated pictures that were not found, as they are named there.
        told: What was odd, and how often.
    """

    names: tuple[str, ...] = ()
    items: list[Item] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
