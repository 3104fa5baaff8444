"""Names in the fonts that this machine has, for charts. Heavy: imports Matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypedDict

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from core.drawing.labels import NAME_COLUMNS, class_label, columns, drawable

STANDARD = "DejaVu Sans"
"""Comes with Matplotlib."""
NOT_FOR_TEXT = ("Last Resort", "STIX", "cm", "DejaVu")
"""Beginnings of families that draw a box for every character, or mathematics, or nothing that the standard lacks."""


class TextStyle(TypedDict):
    """Keywords of Matplotlib's ``Text``."""

    fontfamily: list[str]
    parse_math: bool


@dataclass(frozen=True)
class Lettering:
    """Names as they are drawn.

    Attributes:
        labels: The names, shortened where they are long, with ``?`` where no font has a character.
        style: Keywords of Matplotlib's ``Text``.
    """

    labels: tuple[str, ...]
    style: TextStyle


def lettering(lines: Sequence[str]) -> Lettering:
    """Return lines of text with fonts for them."""
    clean = [drawable(line) for line in lines]
    families, missing = _fonts(frozenset().union(*clean))
    labels = tuple("".join("?" if letter in missing else letter for letter in line) for line in clean)
    return Lettering(labels, {"fontfamily": list(families), "parse_math": False})


def class_lettering(numbers: Sequence[int], names: Sequence[str]) -> Lettering:
    """Return class names with their fonts, each at most 24 columns wide (``core.drawing.labels.class_label``)."""
    families, missing = _fonts(frozenset().union(*map(drawable, names)))
    labels = tuple(
        class_label(number, name, lambda text: columns(text) <= NAME_COLUMNS, lambda letter: letter not in missing)
        for number, name in zip(numbers, names, strict=True)
    )
    return Lettering(labels, {"fontfamily": list(families), "parse_math": False})


@cache
def _fonts(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families that draw the letters, the standard one first, and the letters that none of them has."""
    families = [STANDARD]
    missing = letters - _covered(findfont(FontProperties(family=[STANDARD])), letters)
    for family, path in _others() if missing else ():
        if found := _covered(path, missing):
            families.append(family)
            missing -= found
        if not missing:
            break
    return tuple(families), missing


def _others() -> Iterable[tuple[str, str]]:
    """Upright families of normal weight and their files; those with one look for all scripts come first."""
    files = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in {400, "normal"} and not font.name.startswith(NOT_FOR_TEXT)
    }
    return sorted(files.items(), key=lambda item: (not item[0].startswith("Noto Sans"), item[0]))


def _covered(path: str, letters: frozenset[str]) -> frozenset[str]:
    """The letters that a font has; none where its file is not an outline font that can be read."""
    try:
        font = FT2Font(path)
        outlines = font.get_charmap() if font.scalable else {}
    except (OSError, RuntimeError):  # removed since Matplotlib listed it, or a format that FreeType does not read
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in outlines)
