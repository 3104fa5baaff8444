"""Where the labels of boxes go, so that they do not hide one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""


def place_plates(
    boxes: Sequence[Corners], plates: Sequence[tuple[int, int]], picture: tuple[int, int], line: int
) -> list[Corners]:
    """A place for the label of each box, inside the picture.

    Args:
        boxes: Best first; the best box has the first choice.
        plates: Width and height of each label.
        picture: Width and height.
        line: Width of the boxes' lines.

    Returns:
        For each label the first of these places that is free: above the box, below it, inside it at
        the top, inside it at the bottom; the first that fits where none is free.
    """
    placed: list[Corners] = []
    taken = np.zeros((len(boxes), 4), np.int64)
    for box, plate in zip(boxes, plates, strict=True):
        places = _places(box, plate, picture, line)
        best = next((place for place in places if not _hits(place, taken[: len(placed)])), places[0])
        taken[len(placed)] = best
        placed.append(best)
    return placed


def _places(box: Corners, plate: tuple[int, int], picture: tuple[int, int], line: int) -> list[Corners]:
    left, top, _, bottom = box
    width, height = plate
    edge = line // 2
    x = max(0, min(left - edge, picture[0] - width))
    tops = [top - edge - height, bottom + edge, top - edge, bottom + edge - height]
    fitting = [y for y in tops if 0 <= y <= picture[1] - height]
    return [(x, y, x + width, y + height) for y in fitting or [0]]


def _hits(place: Corners, taken: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> bool:
    left, top, right, bottom = place
    apart = (taken[:, 0] >= right) | (taken[:, 2] <= left) | (taken[:, 1] >= bottom) | (taken[:, 3] <= top)
    return not bool(apart.all())
