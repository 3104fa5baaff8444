"""SHA-256 of files, remembered by path, size and time of change.

A data set is digested at every start to see whether anything changed; the cache makes that a
``stat`` a file. It is an SQLite file, so that several processes may use it at once, and it is only
a help: where it cannot be read, the files are read again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

CACHE_NAME = "digests.sqlite"
COLUMNS = "path BLOB, size INTEGER, mtime_ns INTEGER, sha256 TEXT"
CHUNK = 1 << 20
# A file changed this short a time ago may change again within the same time stamp.
SETTLED_NS = 2_000_000_000


def text_digest(text: str) -> str:
    """SHA-256 of ``text`` in the encoding of file names, hexadecimal."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def file_digest(path: Path, cache_dir: Path | None = None) -> str:
    """SHA-256 of the file's content, hexadecimal; without ``cache_dir`` the file is always read."""
    with _cache(cache_dir) as cache:
        return _digest(path, cache)


def files_digest(files: Iterable[tuple[str, Path]], cache_dir: Path | None = None) -> str:
    """SHA-256 over names and contents, in the order given: it does not depend on where the files lie.

    Args:
        files: Name that counts, and path, of each file.
        cache_dir: Where the digests of single files are remembered.
    """
    total = hashlib.sha256()
    with _cache(cache_dir) as cache:
        for name, path in files:
            total.update(os.fsencode(f"{name}\0{_digest(path, cache)}\n"))
    return total.hexdigest()


def digest_each(files: Iterable[Path], cache_dir: Path | None = None) -> Iterator[str]:
    """SHA-256 of each file's content, hexadecimal, in order; empty where a file cannot be read."""
    with _cache(cache_dir) as cache:
        for path in files:
            try:
                yield _digest(path, cache)
            except OSError:
                yield ""


State = tuple[bytes, int, int]
"""Absolute path, size in bytes, time of change in nanoseconds."""


class _Cache:
    """The table of digests; without a connection it knows nothing and keeps nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._new: list[tuple[bytes, int, int, str]] = []

    def look_up(self, state: State) -> str:
        import sqlite3

        query = "SELECT sha256 FROM digests WHERE path=? AND size=? AND mtime_ns=?"
        try:
            row = self._connection.execute(query, state).fetchone() if self._connection else None
        except sqlite3.Error:
            return ""
        return str(row[0]) if row else ""

    def remember(self, state: State, digest: str) -> None:
        self._new.append((*state, digest))

    def close(self) -> None:
        """Write what is new in one short transaction."""
        if self._connection is None:
            return
        with closing(self._connection) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", self._new)


def _digest(path: Path, cache: _Cache) -> str:
    status = path.stat()
    state = (os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns)
    if known := cache.look_up(state):
        return known
    digest = _read(path)
    if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
        cache.remember(state, digest)
    return digest


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _cache(cache_dir: Path | None) -> Iterator[_Cache]:
    import sqlite3

    from core.cache_file import open_cache

    cache = _Cache(open_cache(cache_dir / CACHE_NAME, "digests", COLUMNS, "path") if cache_dir else None)
    try:
        yield cache
    finally:
        with suppress(sqlite3.Error):
            cache.close()
