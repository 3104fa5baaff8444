"""Limits of the numbers and names of a model or data set, wherever they are read (SECURITY.md)."""

from __future__ import annotations

MAX_CLASSES = 20_000
"""Class names of a model or data set. The largest public detection data set (V3Det) has 13,204; with 20,000 the outputs
of a network with 25,200 boxes take 2 GB per image."""
MAX_NAME_LENGTH = 1000
"""Characters of a class name."""
MAX_ANCHORS = 32
"""Anchors per level; all official networks have 3."""
MAX_SIDE = 65536
"""Of an image or an anchor in pixels, of a stride, and of a batch."""
MAX_NAMES_LENGTH = 2_000_000
"""Characters of all class names together: with what JSON adds, they fit into the metadata of a model."""
MAX_METADATA = 4_000_000
"""Characters of the metadata of a model: 20,000 names of 200 characters."""


def name_problem(name: str) -> str:
    """Return why a class cannot have this name, empty where it can."""
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name):,} characters (the limit is {MAX_NAME_LENGTH:,})"
    return "is not Unicode" if any(0xD800 <= ord(sign) <= 0xDFFF for sign in name) else ""
