"""Rows of YOLO label files: boxes, polygons and boxes with a score, and what is wrong with a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from core.errors import counted, shown

LONGEST_NUMBER = 24
"""Maximum length of a number that a message shows unchanged."""
ASSUMED_SIDE = 1000
"""Side in pixels of an image whose size is unknown: a coordinate may leave it by one pixel."""
SMALL_EXCESS = 1e-4
"""Excess of a corner over the image that is not compared with its size: a pixel of 10,000."""
_DECIMAL_COMMA = re.compile(r"\d,\d")

ImageSize = Callable[[], tuple[int, int] | None]
"""Returns height and width of the image, None if it is unreadable; called for boxes that leave the image only."""


class RowProblem(str, Enum):
    """Problems of a label row: errors, repairs, and ``beyond``, with which the row is used as written."""

    malformed = "malformed-row"
    unknown_class = "class-out-of-range"
    outside = "box-outside"
    empty = "empty-box"
    repeated = "repeated-row"
    clipped = "clipped-box"
    polygon = "polygon-row"
    score = "score-column"
    beyond = "box-beyond"

    @property
    def is_error(self) -> bool:
        """Whether the row cannot be used."""
        return self in _ERRORS

    @property
    def is_repair(self) -> bool:
        """Whether the row is used in another form or, if it repeats another one, dropped."""
        return not self.is_error and self is not RowProblem.beyond


_ERRORS = {RowProblem.malformed, RowProblem.unknown_class, RowProblem.outside, RowProblem.empty}


class RowError(Exception):
    """A row cannot be used; the text continues ``line 3 of 'a.txt'``."""

    def __init__(self, problem: RowProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class Row(NamedTuple):
    """One labelled object.

    Attributes:
        class_id: Class id, from 0.
        box: Centre x, centre y, width, height as fractions of the image size, 0 to 1.
        repairs: Problem and message of each repair, and of a box whose corners leave the image.
    """

    class_id: int
    box: tuple[float, float, float, float]
    repairs: tuple[tuple[RowProblem, str], ...] = ()


def plain_row(line: str, count: int) -> tuple[float, float, float, float, float] | None:
    """Return the class id and the box of a row ``class cx cy w h`` inside an image of any size; None for all others.

    :func:`parse_row` returns the same for these rows, without repairs, and reads the others. Nearly all rows are plain,
    and this takes a quarter of its time.
    """
    try:
        class_id, x, y, width, height = map(float, line.split())
    except ValueError:
        return None
    inside = 0 <= x <= 1 and 0 <= y <= 1 and 0 < width <= 1 and 0 < height <= 1
    if not inside or not 0 <= class_id < count or class_id % 1:
        return None
    if width / 2 - x > SMALL_EXCESS or x + width / 2 - 1 > SMALL_EXCESS:
        return None
    if height / 2 - y > SMALL_EXCESS or y + height / 2 - 1 > SMALL_EXCESS:
        return None
    return class_id, x, y, width, height


def parse_row(line: str, count: int, size: ImageSize | None = None) -> Row:
    """Return the object of one line that is not blank.

    ``class cx cy w h`` is a box, with a sixth value a box with a score, and ``class x1 y1 x2 y2 x3 y3 ...`` a polygon,
    of which the bounding box is taken. A coordinate that leaves 0..1 by at most one pixel is clipped.

    Args:
        line: The line.
        count: Number of classes.
        size: Returns the size of the image; None if there is no image.

    Raises:
        RowError: The line is not such a row, its class id is out of range, or its box is outside 0..1 or empty.
    """
    words = line.split()
    class_id, values = _numbers(words, line)
    repairs: list[tuple[RowProblem, str]] = []
    if len(values) == 5:
        if not 0 <= values[4] <= 1:
            raise RowError(RowProblem.malformed, f"has 6 values, and the last one is no score: {shown(line)}")
        repairs.append((RowProblem.score, f"has a score, which is not used: {shown(words[5])}"))
    if not class_id.is_integer() or not 0 <= class_id < count:
        message = f"has class {_number(words[0])}, but the data set has {counted(count, 'class')} (0 to {count - 1})"
        raise RowError(RowProblem.unknown_class, message)
    is_polygon = len(values) > 5
    written = f"{shown(' '.join(words[1:5]))}{' ...' if is_polygon else ''}"
    within = _clipped(values if is_polygon else values[:4], size)
    if within is None:
        raise RowError(RowProblem.outside, f"has a {'polygon' if is_polygon else 'box'} outside 0..1: {written}")
    if within != tuple(values[: len(within)]):
        repairs.append((RowProblem.clipped, f"leaves 0..1 by less than a pixel and is clipped: {written}"))
    if is_polygon:
        text = f"is a polygon of {len(values) // 2} points; its bounding box is used (+stage=convert writes the boxes)"
        repairs.append((RowProblem.polygon, text))
        within = _envelope(within)
    x, y, width, height = within
    if not (width > 0 and height > 0):
        raise RowError(RowProblem.empty, f"has a box without area: {written}")
    if _leaves_image((x, y, width, height), size):
        repairs.append((RowProblem.beyond, f"has a box whose corners leave the image: {written}"))
    return Row(int(class_id), (x, y, width, height), tuple(repairs))


def _numbers(words: Sequence[str], line: str) -> tuple[float, list[float]]:
    """Return the class id and the other values: 4, 5, or the even number of a polygon's coordinates."""
    try:
        class_id, *values = map(float, words)
    except ValueError:
        raise RowError(RowProblem.malformed, _wrong_text(words, line)) from None
    if len(values) in {4, 5} or (len(values) >= 6 and len(values) % 2 == 0):
        return class_id, values
    raise RowError(RowProblem.malformed, f"has {counted(len(words), 'value')}: {shown(' '.join(words[:6]))}")


def _wrong_text(words: Sequence[str], line: str) -> str:
    """Return what is wrong with a line whose values are not numbers."""
    if ";" in line:
        return f"has semicolons between its values; separate them with blanks: {shown(line)}"
    if "," in line and len(words) >= 4 and any(map(_DECIMAL_COMMA.search, words)):
        return f"has numbers with a decimal comma; write a point: {shown(line)}"
    if "," in line:
        return f"has commas between its values; separate them with blanks: {shown(line)}"
    return f"has a value that is not a number: {shown(line)}"


def _clipped(values: Sequence[float], size: ImageSize | None) -> tuple[float, ...] | None:
    """Return x, y, x, y, ... clipped to 0..1; None if one leaves it by more than a pixel, or is not finite."""
    if all(0 <= value <= 1 for value in values):
        return tuple(values)
    found = size() if size else None
    height, width = found or (ASSUMED_SIDE, ASSUMED_SIDE)
    pixels = (1 / width, 1 / height)
    if not all(-pixels[index % 2] <= value <= 1 + pixels[index % 2] for index, value in enumerate(values)):
        return None
    return tuple(min(max(value, 0.0), 1.0) for value in values)


def _envelope(points: Sequence[float]) -> tuple[float, float, float, float]:
    """Return centre and size of the bounding box of points x1, y1, x2, y2, ..."""
    left, right, top, bottom = min(points[::2]), max(points[::2]), min(points[1::2]), max(points[1::2])
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _leaves_image(box: tuple[float, float, float, float], size: ImageSize | None) -> bool:
    """Return whether a corner of a box lies more than one pixel outside the image."""
    x, y, width, height = box
    excess = (max(width / 2 - x, x + width / 2 - 1), max(height / 2 - y, y + height / 2 - 1))
    if max(excess) <= SMALL_EXCESS:
        return False
    found = size() if size else None
    rows, columns = found or (ASSUMED_SIDE, ASSUMED_SIDE)
    return excess[0] * columns > 1 or excess[1] * rows > 1


def _number(text: str) -> str:
    return text if len(text) <= LONGEST_NUMBER else shown(text)
