"""Colours of classes, splits and charts."""

from __future__ import annotations

from functools import cache

Colour = tuple[int, int, int]
"""Blue, green, red from 0 to 255, the order of OpenCV."""

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
INK, GRID, GREY, STRONG = "#2b2f36", "#dfe3e8", "#9aa4b2", "#10151c"
"""Text, grid lines, secondary lines and primary lines of a chart."""
SPLITS = {"train": "#3a6ea5", "val": "#e08a2e", "test": "#4f9d69"}

# The first six are from the palette of Okabe and Ito for colour-blind people. Each further one has the largest distance
# in OKLab to all before it, among the colours with a lightness of 0.42 to 0.84 and a chroma over 0.1.
_CLASSES = bytes.fromhex(
    "d55e00 0072b2 009e73 cc79a7 e69f00 56b4e9 9800ff 58f000 880068 0000ff ff00e8 405800 98d8a0 ff0068 883008 5028b0"
    "9880ff d8b8ff 908000 805898 78b810 ffa8a0 b830b8 ff80ff 3868ff b84060 d0d008 00e0e8 008000 c858ff 6000ff ff7070"
    "ff50b8 7850d8 8000a8 384888 d80000 7088c8 00c888 0048c8 0098b0 a8b060 0098ff 087858 00f090 805800 d80088 ff90c8"
    "48b8b0 683080 980038 d08860 a868c8 b098e0 e0c878 a86048 884060 ff4018 609828 ff8028 00d010 d000e8 b85098 d858d0"
    "3810d8 e05080 5058b8 90e050 b00068 80a0ff d088ff 9830d0 b03820 7000d0 607000 c08800 80d0ff 903898 e800b8 00a800"
)
CLASS_COLOURS = len(_CLASSES) // 3
"""Number of class colours; higher class ids repeat them."""


def class_hex(number: int) -> str:
    """Return the colour of a class as ``#rrggbb``."""
    blue, green, red = class_colour(number)
    return f"#{red:02x}{green:02x}{blue:02x}"


@cache
def class_colour(number: int) -> Colour:
    """Return the colour of a class for OpenCV, equal to :func:`class_hex`."""
    start = 3 * (number % CLASS_COLOURS)
    red, green, blue = _CLASSES[start : start + 3]
    return blue, green, red


@cache
def text_colour(background: Colour) -> Colour:
    """Return black or white, whichever has the higher WCAG contrast."""
    return BLACK if contrast(BLACK, background) >= contrast(WHITE, background) else WHITE


def contrast(one: Colour, other: Colour) -> float:
    """Return the WCAG contrast ratio, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    blue, green, red = (_linear(part / 255) for part in colour)
    return 0.0722 * blue + 0.7152 * green + 0.2126 * red


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
