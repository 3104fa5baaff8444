"""Limits for the numbers and names in a model or data set that is read from a file (SECURITY.md)."""

from __future__ import annotations

MAX_CLASSES = 20_000
"""Maximum number of classes. The largest public detection data set (V3Det) has 13,204. With 20,000 classes, the outputs
of a network with 25,200 boxes take 2 GB per image."""
MAX_NAME_LENGTH = 1000
"""Maximum length of a class name in characters."""
MAX_ANCHORS = 32
"""Maximum number of anchors per level; all official networks have 3."""
MAX_SIDE = 65536
"""Maximum of the sides of images and anchors in pixels, of strides, and of batch sizes."""
MAX_NAMES_LENGTH = 2_000_000
"""Maximum length of all class names together; as JSON, they fit into the metadata of a model."""
MAX_METADATA = 4_000_000
"""Maximum length of the metadata of a model: 20,000 names of 200 characters."""


def name_problem(name: str) -> str:
    """Return why a class name is invalid; empty if it is valid."""
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name):,} characters (the limit is {MAX_NAME_LENGTH:,})"
    return "is not Unicode" if any(0xD800 <= ord(sign) <= 0xDFFF for sign in name) else ""
