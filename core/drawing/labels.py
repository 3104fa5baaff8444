"""Labels drawn at boxes, and the text in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

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


UNDRAWABLE = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters, and surrogates, which crash OpenCV and which Matplotlib refuses."""
INVISIBLE = frozenset({"Cf", "Mn", "Me"})
"""Unicode categories that take no space of their own: joiners, variation selectors, marks."""
RIGHT_TO_LEFT = frozenset({"R", "AL"})
NEUTRAL = frozenset({"WS", "ON", "CS", "ES", "ET", "BN"})
"""Bidirectional classes of Unicode."""
NAME_COLUMNS = 24
"""Width of a class name in a chart, in columns of a terminal."""


def drawable(text: str) -> str:
    """Return ``text`` with ``?`` for each character that cannot be drawn.

    A file name that is not UTF-8 has a surrogate for each byte that does not fit.
    """
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(letter) in UNDRAWABLE else letter for letter in text)


def columns(text: str) -> int:
    """Return the width of ``text`` in columns: two for an East Asian character, none for a mark."""
    return sum(
        0 if unicodedata.category(letter) in INVISIBLE else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def shortened(text: str, fits: Callable[[str], bool]) -> str:
    """Return ``text``, or as much of its beginning and its end as fits around an ellipsis.

    Names that differ in their last characters stay different. Where nothing fits, the ellipsis alone is returned.
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
    while tail and unicodedata.category(tail[0]) in INVISIBLE:  # a mark without its letter
        tail = tail[1:]
    return f"{text[: kept - kept // 2]}…{tail}"


def visual_order(text: str) -> str:
    """Return ``text`` in the order in which it is seen, for a renderer that writes all characters from left to right.

    Words from right to left, with the spaces between them, are reversed; a mark stays behind its letter.
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
    """Return the name of a class as it is drawn.

    A name that is drawn in part only, as it is too long or as no font has its characters, has the number of the class
    in front, which the data.yaml and the JSON files have too.

    Args:
        number: The class id.
        name: Its name.
        fits: Whether a text is short enough.
        has_glyph: Whether a character can be drawn; asked for characters other than ASCII.
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
