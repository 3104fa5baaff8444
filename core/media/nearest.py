"""Hints for a path that is not there."""

from __future__ import annotations

import difflib
import os
from itertools import islice
from pathlib import Path

from core.regular_file import is_folder

LISTED = 10_000
"""Names of a folder that are compared."""


def nearest_names(path: Path) -> str:
    """What lies where ``path`` should be: the nearest names, or the first folder that is missing."""
    parent = path.absolute().parent
    missing = parent
    while not is_folder(missing.parent):
        missing = missing.parent
    if not is_folder(parent):
        return f"there is no folder '{missing}'"
    try:
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in islice(entries, LISTED))
    except OSError as error:
        return f"the folder '{parent}' cannot be read ({error.strerror})"
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? (in '{parent}')"
    return f"nothing in '{parent}' has a name like it"
