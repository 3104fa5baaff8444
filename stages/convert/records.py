"""Annotations in one common form, and their boxes in fractions of the image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from core.data.writing import Row
from core.errors import HooklineError
from core.media.picture import picture_size, stored_orientation
from core.media.segments import SIDEWAYS, UPRIGHT

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


@dataclass(frozen=True)
class Box:
    """One object: its class name, and its corners in the unit of its :class:`Item`."""

    name: str
    corners: Corners


@dataclass(frozen=True)
class Item:
    """One image with its annotations.

    Attributes:
        image: The image file.
        boxes: Its objects; empty for background.
        pixels: Whether corners are in pixels; otherwise in fractions of the image.
        annotated_size: Height and width in pixels in the annotation, None if not given.
        split: Split in the source, None if it has none.
    """

    image: Path
    boxes: tuple[Box, ...]
    pixels: bool = False
    annotated_size: tuple[int, int] | None = None
    split: str | None = None


@dataclass(frozen=True)
class ConvertedImage:
    """An image with the rows of its new label file: those of objects, and those of ignore regions."""

    image: Path
    rows: tuple[Row, ...]
    regions: tuple[Row, ...]
    split: str | None


@dataclass
class Annotations:
    """All annotations of a source.

    Attributes:
        given: The list in ``convert.names``: the classes of label files without a list of their own.
        names: Class names of objects in the order of the source.
        regions: Class of ignore regions -> the classes that it applies to; empty for all.
        crowds: Classes that have crowd regions.
        items: One per image.
        missing: Names of annotated images that were not found.
        remarks: Number of times that each unusual case occurred.
        notes: Number of times that each case occurred in which nothing was changed.
    """

    given: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    crowds: set[str] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add_regions(self, name: str, targets: tuple[str, ...]) -> None:
        """Add a class of ignore regions.

        Args:
            name: The class of the regions.
            targets: The classes that it applies to; empty for all.

        Raises:
            HooklineError: In another source it applies to other classes.
        """
        if (former := self.regions.setdefault(name, targets)) != targets:
            rules = " and to ".join(", ".join(names) or "all classes" for names in (former, targets))
            hint = "correct 'ignore:' of one data.yaml, or convert one source at a time"
            raise HooklineError(f"the ignore regions '{name}' of two sources apply to {rules}", hint)


def crowd_class(name: str) -> str:
    """Return the class of ignore regions for the crowd regions of a class."""
    return f"crowd-{name}"


ROUNDING = 1e-4
"""Maximum distance of a coordinate outside 0..1 that counts as rounding and is not reported."""
MIN_SIDE = 1e-6
"""Minimum width and height: the precision of label files with six decimals."""


def fractions(item: Item, remarks: Counter[str], max_pixels: int) -> list[tuple[str, Corners]]:
    """Return class name and corners of each box, in fractions of the image as hookline reads it, not clipped.

    Raises:
        UnreadableError: The image is missing, or its size cannot be read.
    """
    actual = picture_size(item.image, max_pixels)
    if not item.pixels:
        return [(box.name, box.corners) for box in item.boxes]
    height, width = item.annotated_size or actual
    orientation = UPRIGHT
    if (height, width) != actual:
        if (width, height) == actual and (stored := stored_orientation(item.image, max_pixels)) in SIDEWAYS:
            orientation = stored
        remarks["images rotated by EXIF, boxes rotated too" if orientation != UPRIGHT else _OTHER_SIZE] += 1
    return [(box.name, rotated(_scaled(box.corners, height, width), orientation)) for box in item.boxes]


_OTHER_SIZE = "images that differ in size from their annotation, boxes scaled"


def clipped(corners: Corners, remarks: Counter[str]) -> Corners | None:
    """Return the part of a box inside the image, None if it is empty."""
    x1, y1, x2, y2 = corners
    if min(x2 - x1, y2 - y1) < MIN_SIDE:
        remarks["boxes without area, dropped"] += 1
        return None
    inside = _inside(x1), _inside(y1), _inside(x2), _inside(y2)
    if min(inside[2] - inside[0], inside[3] - inside[1]) < MIN_SIDE:
        remarks["boxes outside their image, dropped"] += 1
        return None
    if min(x1, y1) < -ROUNDING or max(x2, y2) > 1 + ROUNDING:
        remarks["boxes partly outside their image, clipped"] += 1
    return inside


def row(number: int, corners: Corners) -> Row:
    """Return the row of a label file."""
    x1, y1, x2, y2 = corners
    return number, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def rotated(corners: Corners, orientation: int) -> Corners:
    """Convert corners on the stored image to corners on the image after EXIF orientation 1 to 8."""
    points = [_rotated(x, y, orientation) for x, y in (corners[:2], corners[2:])]
    (x1, y1), (x2, y2) = points
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _rotated(x: float, y: float, orientation: int) -> tuple[float, float]:
    if orientation >= 5:  # rows and columns are swapped first
        x, y = y, x
    if orientation in {2, 3, 6, 7}:
        x = 1 - x
    if orientation in {3, 4, 7, 8}:
        y = 1 - y
    return x, y


def _scaled(corners: Corners, height: int, width: int) -> Corners:
    x1, y1, x2, y2 = corners
    return x1 / width, y1 / height, x2 / width, y2 / height


def _inside(value: float) -> float:
    return min(max(value, 0.0), 1.0)
