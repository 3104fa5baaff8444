"""Place the labels of boxes inside an image. Heavy: imports NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in integer pixels."""
Ints = NDArray[np.int64]
MAX_LINES = 12
"""Maximum number of lines inside a box that are tried for a label."""


def place_labels(
    boxes: Sequence[Corners], sizes: Sequence[tuple[int, int]], image: tuple[int, int], line: int
) -> list[Corners | None]:
    """Find a position inside the image for the label of each box.

    Args:
        boxes: Boxes, best first; earlier labels are placed first.
        sizes: Width and height of each label.
        image: Width and height of the image.
        line: Line width of the boxes.

    Returns:
        For each label the first free position in this order: above the box, below it, inside at the top, inside at the
        bottom (each at the left edge, then at the right), next to the box, inside it line by line. If none is free, the
        position that covers the fewest pixels of other labels. None for a label that is larger than the image.
    """
    placed: list[Corners | None] = []
    taken = np.zeros((len(boxes), 4), np.int64)
    count = 0
    for box, size in zip(boxes, sizes, strict=True):
        place = _place(box, size, image, line, taken[:count])
        if place:
            taken[count] = place
            count += 1
        placed.append(place)
    return placed


def _place(box: Corners, size: tuple[int, int], image: tuple[int, int], line: int, taken: Ints) -> Corners | None:
    width, height = size
    if width > image[0] or height > image[1]:
        return None
    x, y = max(0, min(box[0] - line // 2, image[0] - width)), box[1] - line // 2 - height
    above = (x, y, x + width, y + height)
    if y >= 0 and y + height <= image[1] and not _overlaps(above, taken):  # true for most labels, and fast
        return above
    places = _places(box, size, image, line)
    left, top, right, bottom = places[int(_covered_pixels(places, taken).argmin())]
    return left, top, right, bottom


def _places(box: Corners, size: tuple[int, int], image: tuple[int, int], line: int) -> list[Corners]:
    """Return the candidate positions, best first; at least one."""
    left, top, right, bottom = box
    width, height = size
    edge = line // 2
    last_x, last_y = image[0] - width, image[1] - height
    outside = [y for y in (top - edge - height, bottom + edge) if 0 <= y <= last_y]
    inside = [max(0, min(y, last_y)) for y in (top - edge, bottom + edge - height)]
    along = [(max(0, min(x, last_x)), y) for x in (left - edge, right + edge - width) for y in (*outside, *inside)]
    adjacent = [(x, inside[0]) for x in (right + edge, left - edge - width) if 0 <= x <= last_x]
    lines = range(inside[0] + height, inside[1], height)[:MAX_LINES]
    within = [(along[0][0], y) for y in lines]
    return [(x, y, x + width, y + height) for x, y in (*along, *adjacent, *within)]


def _overlaps(place: Corners, taken: Ints) -> bool:
    left, top, right, bottom = place
    apart = (taken[:, 0] >= right) | (taken[:, 2] <= left) | (taken[:, 1] >= bottom) | (taken[:, 3] <= top)
    return not bool(apart.all())


def _covered_pixels(places: Sequence[Corners], taken: Ints) -> Ints:
    """Return how many pixels of other labels a label would cover at each position."""
    wanted = np.array(places, np.int64)[:, None]
    low, high = np.maximum(wanted[..., :2], taken[:, :2]), np.minimum(wanted[..., 2:], taken[:, 2:])
    sides = np.maximum(high - low, 0)
    pixels: Ints = (sides[..., 0] * sides[..., 1]).sum(axis=1)
    return pixels
