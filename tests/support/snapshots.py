"""Snapshots of the files in a folder: everything that a run could change, without access times."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One file, folder or link."""

    mode: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    content: str


Snapshot = dict[str, Entry]


def snapshot(root: Path, *, contents: bool = True) -> Snapshot:
    """Return ``root`` and all entries below it by path; without ``contents``, only times show a change."""
    found = {".": _entry(root, contents=contents)}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _entry(path, contents=contents)
    return found


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield one line per entry that is new, missing or different."""
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            yield f"{'new' if old is None else 'gone'}: {path!r}"
        elif old != new:
            fields = Entry.__dataclass_fields__
            what = [name for name, was, now in zip(fields, astuple(old), astuple(new), strict=True) if was != now]
            yield f"changed: {path!r} ({', '.join(what)})"


def _entry(path: Path, *, contents: bool) -> Entry:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        content = os.fspath(path.readlink())
    elif stat.S_ISREG(status.st_mode) and contents:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        content = ""
    return Entry(status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, content)
