"""What readers of annotations return, and boxes from corners, polygons and rotated rectangles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from core.data.writing import Row
from core.media.picture import picture_size, stored_orientation
from core.media.segments import SIDEWAYS, UPRIGHT

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
class ConvertedImage:
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


ROUNDING = 1e-4
"""A coordinate this far outside 0..1 comes from rounding and is not worth a word."""
LEAST = 1e-6
"""The least width and height that six decimals can tell from nothing."""


def fractions(item: Item, told: Counter[str], max_pixels: int) -> list[tuple[str, Corners]]:
    """Class name and corners of each box in fractions of the picture as hookline reads it, not clipped.

    Raises:
        UnreadableError: The picture is not there, or its size cannot be read.
    """
    actual = picture_size(item.picture, max_pixels)
    if not item.pixels:
        return [(box.name, box.corners) for box in item.boxes]
    height, width = item.stated or actual
    turn = UPRIGHT
    if (height, width) != actual:
        if (width, height) == actual and (stored := stored_orientation(item.picture, max_pixels)) in SIDEWAYS:
            turn = stored
        told["images turned by EXIF, boxes turned too" if turn != UPRIGHT else _OTHER_SIZE] += 1
    return [(box.name, turned(_scaled(box.corners, height, width), turn)) for box in item.boxes]


_OTHER_SIZE = "images of another size than annotated, boxes scaled"


def clipped(corners: Corners, told: Counter[str]) -> Corners | None:
    """The part inside the picture, None where nothing is left."""
    x1, y1, x2, y2 = corners
    if min(x2 - x1, y2 - y1) < LEAST:
        told["boxes without area, dropped"] += 1
        return None
    inside = _inside(x1), _inside(y1), _inside(x2), _inside(y2)
    if min(inside[2] - inside[0], inside[3] - inside[1]) < LEAST:
        told["boxes outside of their image, dropped"] += 1
        return None
    if min(x1, y1) < -ROUNDING or max(x2, y2) > 1 + ROUNDING:
        told["boxes reaching out of their image, clipped"] += 1
    return inside


def row(number: int, corners: Corners) -> Row:
    """The row of a label file."""
    x1, y1, x2, y2 = corners
    return number, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def turned(corners: Corners, orientation_tag: int) -> Corners:
    """Corners on the stored pixels as corners on the picture that EXIF orientation 1 to 8 makes of them."""
    points = [_turned(x, y, orientation_tag) for x, y in (corners[:2], corners[2:])]
    (x1, y1), (x2, y2) = points
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _turned(x: float, y: float, tag: int) -> tuple[float, float]:
    if tag >= 5:  # stored lying: rows and columns change places first
        x, y = y, x
    if tag in {2, 3, 6, 7}:
        x = 1 - x
    if tag in {3, 4, 7, 8}:
        y = 1 - y
    return x, y


def _scaled(corners: Corners, height: int, width: int) -> Corners:
    x1, y1, x2, y2 = corners
    return x1 / width, y1 / height, x2 / width, y2 / height


def _inside(value: float) -> float:
    return min(max(value, 0.0), 1.0)
