"""Choose installed fonts that have the characters of names in charts. Heavy: imports Matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypedDict

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from core.drawing.text import NAME_COLUMNS, class_label, columns, drawable

DEFAULT_FAMILY = "DejaVu Sans"
"""Included in Matplotlib."""
EXCLUDED_FAMILIES = ("Last Resort", "STIX", "cm", "DejaVu")
"""Prefixes of families that draw placeholders or mathematics, or add nothing to the default family."""


class TextStyle(TypedDict):
    """Keyword arguments of Matplotlib's ``Text``."""

    fontfamily: list[str]
    parse_math: bool


@dataclass(frozen=True)
class Lettering:
    """Texts to draw and their fonts.

    Attributes:
        labels: The texts, with ``?`` for characters that no font has; long class names are shortened.
        style: Keyword arguments of Matplotlib's ``Text``.
    """

    labels: tuple[str, ...]
    style: TextStyle


def lettering(lines: Sequence[str]) -> Lettering:
    """Return lines of text with fonts that have their characters."""
    clean = [drawable(line) for line in lines]
    families, missing = _fonts(frozenset().union(*clean))
    labels = tuple("".join("?" if letter in missing else letter for letter in line) for line in clean)
    return Lettering(labels, {"fontfamily": list(families), "parse_math": False})


def class_lettering(numbers: Sequence[int], names: Sequence[str]) -> Lettering:
    """Return class names of at most 24 columns with their fonts; see :func:`core.drawing.text.class_label`."""
    families, missing = _fonts(frozenset().union(*map(drawable, names)))
    labels = tuple(
        class_label(number, name, lambda text: columns(text) <= NAME_COLUMNS, lambda letter: letter not in missing)
        for number, name in zip(numbers, names, strict=True)
    )
    return Lettering(labels, {"fontfamily": list(families), "parse_math": False})


@cache
def _fonts(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return families that have the letters, the default first, and the letters that none has."""
    families = [DEFAULT_FAMILY]
    missing = letters - _covered(findfont(FontProperties(family=[DEFAULT_FAMILY])), letters)
    for family, path in _others() if missing else ():
        if found := _covered(path, missing):
            families.append(family)
            missing -= found
        if not missing:
            break
    return tuple(families), missing


def _others() -> Iterable[tuple[str, str]]:
    """Return upright families of normal weight and their files; Noto Sans, which covers all scripts, comes first."""
    files = {
        font.name: font.fname
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in {400, "normal"} and not font.name.startswith(EXCLUDED_FAMILIES)
    }
    return sorted(files.items(), key=lambda item: (not item[0].startswith("Noto Sans"), item[0]))


def _covered(path: str, letters: frozenset[str]) -> frozenset[str]:
    """Return the letters that a font has; none if its file is not a readable outline font."""
    try:
        font = FT2Font(path)
        outlines = font.get_charmap() if font.scalable else {}
    except (OSError, RuntimeError):  # removed after Matplotlib listed it, or in a format that FreeType cannot read
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in outlines)
