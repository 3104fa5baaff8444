"""Place labels at boxes, and prepare their text for drawing."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

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


UNDRAWABLE = frozenset({"Cc", "Cs"})
"""Unicode categories of control characters and of surrogates, which crash OpenCV and which Matplotlib refuses."""
INVISIBLE = frozenset({"Cf", "Mn", "Me"})
"""Unicode categories of zero width: joiners, variation selectors, marks."""
RIGHT_TO_LEFT = frozenset({"R", "AL"})
NEUTRAL = frozenset({"WS", "ON", "CS", "ES", "ET", "BN"})
"""Bidirectional classes of Unicode."""
NAME_COLUMNS = 24
"""Maximum width of a class name in a chart, in terminal columns."""


def drawable(text: str) -> str:
    """Return ``text`` with ``?`` for each character that cannot be drawn.

    File names that are not UTF-8 contain surrogates for undecodable bytes.
    """
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(letter) in UNDRAWABLE else letter for letter in text)


def columns(text: str) -> int:
    """Return the width of ``text`` in columns: two per wide East Asian character, none per combining mark."""
    return sum(
        0 if unicodedata.category(letter) in INVISIBLE else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def shortened(text: str, fits: Callable[[str], bool]) -> str:
    """Return ``text`` if it fits, else its start and end around an ellipsis.

    Names that differ in their last characters remain distinguishable. If nothing fits, return the ellipsis.
    """
    if fits(text):
        return text
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(_without_middle(text, middle)) else (low, middle - 1)
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    tail = text[len(text) - kept // 2 :]
    while tail and unicodedata.category(tail[0]) in INVISIBLE:  # a mark separated from its letter
        tail = tail[1:]
    return f"{text[: kept - kept // 2]}…{tail}"


def visual_order(text: str) -> str:
    """Return ``text`` in visual order, for a renderer that draws all characters from left to right.

    Right-to-left words are reversed with the spaces between them; a mark stays after its letter.
    """
    if text.isascii():
        return text
    seen: list[str] = []
    spaces: list[str] = []
    run: list[str] = []
    for letter in text:
        direction = unicodedata.bidirectional(letter)
        if direction == "NSM" and (run or seen) and not spaces:
            (run or seen)[-1] += letter
        elif direction in RIGHT_TO_LEFT:
            (run if run else seen).extend(spaces)
            run.append(letter)
            spaces = []
        elif direction in NEUTRAL:
            spaces.append(letter)
        else:
            seen += [*reversed(run), *spaces, letter]
            run, spaces = [], []
    return "".join([*seen, *reversed(run), *spaces])


def class_label(number: int, name: str, fits: Callable[[str], bool], has_glyph: Callable[[str], bool]) -> str:
    """Return the name of a class for drawing.

    A name that is shortened, or has characters that no font has, is prefixed with the class id, which the data.yaml and
    the JSON files contain too.

    Args:
        number: The class id.
        name: The class name.
        fits: Returns whether a text is short enough.
        has_glyph: Returns whether a non-ASCII character can be drawn.
    """
    shown = "".join(_glyph(letter, has_glyph) for letter in drawable(name))
    if shown == name and name.strip() and fits(name):
        return name
    prefix = f"{number}: "
    return prefix + shortened(shown, lambda text: fits(prefix + text))


def _glyph(letter: str, has_glyph: Callable[[str], bool]) -> str:
    if letter.isascii() or has_glyph(letter):
        return letter
    return "" if unicodedata.category(letter) in INVISIBLE else "?"
