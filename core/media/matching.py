"""Find files by folder or pattern, and suggest similar names for missing files."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from core.files.regular_file import is_folder

RECURSIVE = "**"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder once each; follow symbolic links, skip hidden files and folders."""
    for parent, files in _walked(folder):
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def matching(pattern: Path) -> list[Path]:
    """Return the sorted matches of a pattern with ``*``, ``?``, ``[...]``, and ``**`` for any number of folders.

    A component that is the exact name of an existing folder is taken literally: ``[ex] a/*.jpg`` matches the images in
    the folder ``[ex] a`` if it exists.
    """
    parts = pattern.parts
    found = [Path(pattern.anchor or ".")]
    for number, part in enumerate(parts[1:] if pattern.anchor else parts, start=1):
        last = number == len(parts) - bool(pattern.anchor)
        found = list(dict.fromkeys(below for folder in found for below in _step(folder, part, last=last)))
    return sorted(found)


def _step(folder: Path, part: str, *, last: bool) -> Iterable[Path]:
    """Return the matches of one component of a pattern in a folder."""
    if part == RECURSIVE:
        return files_below(folder) if last else (Path(parent) for parent, _ in _walked(folder))
    if not last and not set(part) <= {"*", "?"} and is_folder(folder / part):
        return [folder / part]
    return [folder / name for name in glob.glob(part, root_dir=folder)]  # noqa: PTH207  one component


def _walked(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield folders with the names of their files, each real folder once."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            yield parent, files
        seen.add(real)


MAX_COMPARED = 10_000
"""Maximum number of names that are compared with a missing one."""


def nearest_names(path: Path) -> str:
    """Return a hint for a missing path: similar names in its folder, or the first folder that does not exist."""
    parent = path.absolute().parent
    missing = parent
    while not is_folder(missing.parent):
        missing = missing.parent
    if not is_folder(parent):
        return f"the folder '{missing}' does not exist"
    try:
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_COMPARED))
    except OSError as error:
        return f"the folder '{parent}' cannot be read ({error.strerror})"
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? (in '{parent}')"
    return f"no name in '{parent}' is similar"
