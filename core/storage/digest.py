"""SHA-256 of files, cached by path, device, inode, size, modification time and change time."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from core.files.regular_file import open_regular

if TYPE_CHECKING:
    import sqlite3

CACHE_NAME = "digests.sqlite"
COLUMNS = "path BLOB, state TEXT, sha256 TEXT"
CHUNK = 1 << 20
SETTLED_NS = 2_000_000_000
"""A file that changed less than this long ago can change again without a new time stamp (2 s on FAT)."""


def text_digest(text: str) -> str:
    """Return the SHA-256 of ``text`` in UTF-8, hexadecimal; bytes of file names that are not UTF-8 count as they are.

    The encoding of the locale would make the digest depend on it, and an ASCII one has none for class names.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path: Path, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of the content of a file, hexadecimal.

    Args:
        path: The file.
        cache_dir: ``context.cache_dir``: digests of unchanged files come from the cache there. None: always read.
    """
    with _cache(cache_dir) as cache:
        return _digest(path, cache)


def files_digest(files: Iterable[tuple[str, Path]], cache_dir: Path | None = None) -> str:
    """SHA-256 over names and contents, in the order given: it does not depend on where the files lie.

    Files that cannot be read count as such.

    Args:
        files: Name that counts, and path, of each file.
        cache_dir: Where the digests of single files are remembered.
    """
    total = hashlib.sha256()
    with _cache(cache_dir) as cache:
        for name, path in files:
            total.update(f"{name}\0{_digest_if_readable(path, cache)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def digest_each(files: Iterable[Path], cache_dir: Path | None = None) -> Iterator[str]:
    """SHA-256 of each file's content, hexadecimal, in order; empty where a file cannot be read."""
    with _cache(cache_dir) as cache:
        for path in files:
            yield _digest_if_readable(path, cache)


class _DigestCache:
    """The table of digests; without a connection it finds nothing and keeps nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._new: list[tuple[bytes, str, str]] = []

    def look_up(self, path: bytes, state: str) -> str:
        """Return the digest of the file in this state, or an empty text."""
        import sqlite3

        query = "SELECT sha256 FROM digests WHERE path=? AND state=?"
        try:
            row = self._connection.execute(query, (path, state)).fetchone() if self._connection else None
        except sqlite3.Error:
            return ""
        return str(row[0]) if row else ""

    def remember(self, path: bytes, state: str, digest: str) -> None:
        """Keep a digest until :meth:`close` writes it."""
        self._new.append((path, state, digest))

    def close(self) -> None:
        """Write the new digests in one short transaction."""
        if self._connection is None:
            return
        with closing(self._connection) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", self._new)


def _digest_if_readable(path: Path, cache: _DigestCache) -> str:
    """The digest, empty where the file cannot be read."""
    try:
        return _digest(path, cache)
    except OSError:
        return ""


def _digest(path: Path, cache: _DigestCache) -> str:
    name = os.fsencode(path.absolute())
    if known := cache.look_up(name, _state(path.stat())):
        return known
    with open_regular(path) as file:
        now, before = time.time_ns(), os.fstat(file.fileno())
        digest = _read(file)
        after = os.fstat(file.fileno())
    # Only a file that was settled before it was read shows by its state that it did not change meanwhile.
    if now - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS and _state(before) == _state(after):
        cache.remember(name, _state(before), digest)
    return digest


def _state(status: os.stat_result) -> str:
    """Return what changes whenever the content does. As text: SQLite's integers are too small for some inodes."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, numbers))


def _read(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _cache(cache_dir: Path | None) -> Iterator[_DigestCache]:
    import sqlite3

    cache = _DigestCache(open_cache(cache_dir / CACHE_NAME, "digests", COLUMNS, "path") if cache_dir else None)
    try:
        yield cache
    finally:
        with suppress(sqlite3.Error):
            cache.close()


WAIT = 30.0
"""Seconds to wait for another process that writes."""


def open_cache(file: Path, table: str, columns: str, key: str) -> sqlite3.Connection | None:
    """Open a file with one table; one that is damaged, or has other columns, is begun anew.

    Args:
        file: Its folder is made where it is missing.
        table: Name of the table.
        columns: ``name TYPE, name TYPE``.
        key: The columns of the primary key.

    Returns:
        The connection, to be closed; None where the file can be neither opened nor made.
    """
    import sqlite3

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(file, table, columns, key)
        except sqlite3.DatabaseError as error:
            if _in_use(error):
                return None
        file.unlink(missing_ok=True)
        return _opened(file, table, columns, key)
    except (OSError, sqlite3.Error):
        return None


def _opened(file: Path, table: str, columns: str, key: str) -> sqlite3.Connection:
    import sqlite3

    names = ", ".join(column.split()[0] for column in columns.split(","))
    connection = sqlite3.connect(file, timeout=WAIT)
    try:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, PRIMARY KEY ({key}))")
        with closing(connection.execute(f"SELECT {names} FROM {table} LIMIT 1")) as rows:  # noqa: S608 - no user's words
            rows.fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _in_use(error: sqlite3.DatabaseError) -> bool:
    """The file may be good: another process holds it, or the disk does not let it be read or written now."""
    import sqlite3

    return isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such column")
