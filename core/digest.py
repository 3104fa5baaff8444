"""SHA-256 of files, remembered by path, size and time of change.

A data set is digested at every start to see whether anything changed; the cache makes that a
``stat`` a file. It is an SQLite file, so that several processes may use it at once, and it is only
a help: where it cannot be opened, the files are read again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

CACHE_NAME = "digests.sqlite"
CHUNK = 1 << 20
# A file changed this short a time ago may change again within the same time stamp.
SETTLED_NS = 2_000_000_000


def text_digest(text: str) -> str:
    """SHA-256 of ``text`` in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path, cache_dir: Path | None = None) -> str:
    """SHA-256 of the file's content, hexadecimal; without ``cache_dir`` the file is always read."""
    with _opened(cache_dir) as cache:
        return _digest(path, cache)


def files_digest(files: Iterable[tuple[str, Path]], cache_dir: Path | None = None) -> str:
    """SHA-256 over names and contents, in the order given: it does not depend on where the files lie.

    Args:
        files: Name that counts, and path, of each file.
        cache_dir: Where the digests of single files are remembered.
    """
    total = hashlib.sha256()
    with _opened(cache_dir) as cache:
        for name, path in files:
            total.update(f"{name}\0{_digest(path, cache)}\n".encode())
    return total.hexdigest()


def _digest(path: Path, cache: sqlite3.Connection | None) -> str:
    status = path.stat()
    state = (str(path.absolute()), status.st_size, status.st_mtime_ns)
    known = _look_up(cache, state)
    if known:
        return known
    content = _read(path)
    if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
        _remember(cache, state, content)
    return content


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _opened(cache_dir: Path | None) -> Iterator[sqlite3.Connection | None]:
    cache = _connect(cache_dir) if cache_dir else None
    try:
        yield cache
    finally:
        if cache:
            cache.close()


def _connect(cache_dir: Path) -> sqlite3.Connection | None:
    import sqlite3

    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        cache = sqlite3.connect(cache_dir / CACHE_NAME, timeout=30, isolation_level=None)
        cache.execute(
            "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
        )
    except (OSError, sqlite3.Error):
        return None
    return cache


def _look_up(cache: sqlite3.Connection | None, state: tuple[str, int, int]) -> str:
    import sqlite3

    if cache is None:
        return ""
    try:
        row = cache.execute("SELECT sha256 FROM digests WHERE path=? AND size=? AND mtime_ns=?", state).fetchone()
    except sqlite3.Error:
        return ""
    return str(row[0]) if row else ""


def _remember(cache: sqlite3.Connection | None, state: tuple[str, int, int], digest: str) -> None:
    import sqlite3

    if cache is None:
        return
    try:
        cache.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", (*state, digest))
    except sqlite3.Error:
        return
