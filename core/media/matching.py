"""Find files by folder or pattern, and suggest similar names for missing files."""

from __future__ import annotations

import difflib
import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from core.files.regular_file import is_file, is_folder

RECURSIVE = "**"
_NUMBER = re.compile(r"%%|%(0?\d{0,2})d")
"""A number in the name of a sequence, as FFmpeg writes it: ``%d``, or ``%04d`` with leading zeros; or a ``%``."""


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


def sequence(pattern: Path) -> list[Path] | None:
    """Return the files that a numbered name such as ``im_%04d.png`` stands for, in the order of their numbers.

    Returns:
        The existing files, which may start at any number and leave numbers out; None if the name does not have exactly
        one number, or is a glob. ``%%`` stands for ``%``.
    """
    numbers = [found for found in _NUMBER.finditer(pattern.name) if found[0] != "%%"]
    if len(numbers) != 1 or glob.has_magic(pattern.name):
        return None
    start, end = numbers[0].span()
    before, after = (re.escape(part.replace("%%", "%")) for part in (pattern.name[:start], pattern.name[end:]))
    width = int(numbers[0][1] or 0)
    wanted = re.compile(f"{before}([0-9]+){after}")
    named = ((wanted.fullmatch(path.name), path) for path in _entries(pattern.parent))
    found = [(int(match[1]), path) for match, path in named if match and match[1] == f"{int(match[1]):0{width}d}"]
    return [path for _, path in sorted(found) if is_file(path)]


def _entries(folder: Path) -> list[Path]:
    """Return the entries of a folder; none if it is missing or not readable."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def name_key(name: str, *, quoted: bool = False) -> str:
    """Return a name for comparison: without case, and composed (NFC), because macOS decomposes accents.

    Args:
        name: A file name or its stem.
        quoted: Also decode percent-encoding, with which annotation tools write blanks and other characters.
    """
    return unicodedata.normalize("NFC", unquote(name) if quoted else name).casefold()


MAX_COMPARED = 10_000
"""Maximum number of names that are compared with a missing one."""


def nearest_names(path: Path) -> str:
    """Return a hint for a missing path: similar names in its folder, or the first folder that does not exist."""
    parent = path.absolute().parent
    missing = parent
    while not is_folder(missing.parent):
        missing = missing.parent
    if not is_folder(parent):
        return f"the folder '{missing}' does not exist: check the path"
    try:
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_COMPARED))
    except OSError as error:
        return f"the folder '{parent}' cannot be read ({error.strerror}): check its permissions"
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? (in '{parent}')"
    return f"no name in '{parent}' is similar: check the path"
