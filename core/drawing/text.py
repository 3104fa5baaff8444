"""Text for images, charts and tables: its width, shortened names, characters that cannot be drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

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
