"""Text that can be drawn."""

from __future__ import annotations

import unicodedata

UNDRAWABLE = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters, and surrogates, which crash OpenCV and which Matplotlib refuses."""


def drawable(text: str) -> str:
    """Return ``text`` with ``?`` for each character that cannot be drawn.

    A file name that is not UTF-8 has a surrogate for each byte that does not fit.
    """
    return "".join("?" if unicodedata.category(letter) in UNDRAWABLE else letter for letter in text)
