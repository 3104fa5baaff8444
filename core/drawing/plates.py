"""Where the labels of boxes go, so that they do not hide one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""
Ints = NDArray[np.int64]
LINES = 12
"""Lines inside a box that are tried."""


def place_plates(
    boxes: Sequence[Corners], plates: Sequence[tuple[int, int]], picture: tuple[int, int], line: int
) -> list[Corners | None]:
    """A place for the label of each box, inside the picture.

    Args:
        boxes: Best first; the best box has the first choice.
        plates: Width and height of each label.
        picture: Width and height.
        line: Width of the boxes' lines.

    Returns:
        For each label the first free place of these: above the box, below it, inside it at the top, inside it at the
        bottom, each at its left and then at its right edge, beside it, inside it line by line. Where none is free, the
        place that hides least of other labels. None for a label that is larger than the picture.
    """
    placed: list[Corners | None] = []
    taken = np.zeros((len(boxes), 4), np.int64)
    count = 0
    for box, plate in zip(boxes, plates, strict=True):
        place = _place(box, plate, picture, line, taken[:count])
        if place:
            taken[count] = place
            count += 1
        placed.append(place)
    return placed


def _place(box: Corners, plate: tuple[int, int], picture: tuple[int, int], line: int, taken: Ints) -> Corners | None:
    width, height = plate
    if width > picture[0] or height > picture[1]:
        return None
    x, y = max(0, min(box[0] - line // 2, picture[0] - width)), box[1] - line // 2 - height
    above = (x, y, x + width, y + height)
    if y >= 0 and y + height <= picture[1] and not _hits(above, taken):  # most labels; saves the list of places
        return above
    places = _places(box, plate, picture, line)
    left, top, right, bottom = places[int(_hidden(places, taken).argmin())]
    return left, top, right, bottom


def _places(box: Corners, plate: tuple[int, int], picture: tuple[int, int], line: int) -> list[Corners]:
    """At least one, the best first."""
    left, top, right, bottom = box
    width, height = plate
    edge = line // 2
    last_x, last_y = picture[0] - width, picture[1] - height
    outside = [y for y in (top - edge - height, bottom + edge) if 0 <= y <= last_y]
    inside = [max(0, min(y, last_y)) for y in (top - edge, bottom + edge - height)]
    along = [(max(0, min(x, last_x)), y) for x in (left - edge, right + edge - width) for y in (*outside, *inside)]
    beside = [(x, inside[0]) for x in (right + edge, left - edge - width) if 0 <= x <= last_x]
    lines = range(inside[0] + height, inside[1], height)[:LINES]
    within = [(along[0][0], y) for y in lines]
    return [(x, y, x + width, y + height) for x, y in (*along, *beside, *within)]


def _hits(place: Corners, taken: Ints) -> bool:
    left, top, right, bottom = place
    apart = (taken[:, 0] >= right) | (taken[:, 2] <= left) | (taken[:, 1] >= bottom) | (taken[:, 3] <= top)
    return not bool(apart.all())


def _hidden(places: Sequence[Corners], taken: Ints) -> Ints:
    """Pixels of other labels that a label would hide at each place."""
    wanted = np.array(places, np.int64)[:, None]
    low, high = np.maximum(wanted[..., :2], taken[:, :2]), np.minimum(wanted[..., 2:], taken[:, 2:])
    sides = np.maximum(high - low, 0)
    hidden: Ints = (sides[..., 0] * sides[..., 1]).sum(axis=1)
    return hidden
