"""Hints for a path that is not there."""

from __future__ import annotations

import difflib
from pathlib import Path


def nearest_names(path: Path) -> str:
    """What lies where ``path`` should be: the nearest names, or the first folder that is missing."""
    parent = path.absolute().parent
    missing = parent
    while not missing.parent.is_dir():
        missing = missing.parent
    if not parent.is_dir():
        return f"there is no folder '{missing}'"
    names = sorted(entry.name for entry in parent.iterdir())
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? (in '{parent}')"
    return f"nothing in '{parent}' has a name like it"
