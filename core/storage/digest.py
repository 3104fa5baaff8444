"""SHA-256 of files, cached by path, device, inode, size, modification time and change time."""

from __future__ import annotations

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
"""Age in nanoseconds below which a file can change again without a new time stamp (2 s on FAT)."""


def text_digest(text: str) -> str:
    """Return the SHA-256 of ``text`` in UTF-8 as hexadecimal text, whatever the locale.

    File names that are not UTF-8 count with their bytes.
    """
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path: Path, cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of the content of a file as hexadecimal text.

    Args:
        path: The file.
        cache_dir: Folder of the cache with the digests of unchanged files, ``context.cache_dir``; None reads the file.
    """
    with _cache(cache_dir) as cache:
        return _digest(path, cache)


def files_digest(files: Iterable[tuple[str, Path]], cache_dir: Path | None = None) -> str:
    """Return the SHA-256 over names and contents in the given order; it does not depend on the folders.

    An unreadable file has an empty digest.

    Args:
        files: Name and path of each file; the name is hashed.
        cache_dir: Folder of the cache with the digests of unchanged files; None reads every file.
    """
    import hashlib

    total = hashlib.sha256()
    with _cache(cache_dir) as cache:
        for name, path in files:
            total.update(f"{name}\0{_digest_if_readable(path, cache)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def digest_each(files: Iterable[Path], cache_dir: Path | None = None) -> Iterator[str]:
    """Yield the SHA-256 of each file as hexadecimal text, in order; an empty text for an unreadable file."""
    with _cache(cache_dir) as cache:
        for path in files:
            yield _digest_if_readable(path, cache)


class _DigestCache:
    """The table of digests. Without a connection it is empty and discards new digests."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._new: list[tuple[bytes, str, str]] = []

    def look_up(self, path: bytes, state: str) -> str:
        """Return the digest of a file in this state, or an empty text."""
        import sqlite3

        query = "SELECT sha256 FROM digests WHERE path=? AND state=?"
        try:
            row = self._connection.execute(query, (path, state)).fetchone() if self._connection else None
        except sqlite3.Error:
            return ""
        return str(row[0]) if row else ""

    def remember(self, path: bytes, state: str, digest: str) -> None:
        """Add a digest, which :meth:`close` writes."""
        self._new.append((path, state, digest))

    def close(self) -> None:
        """Write the new digests in one short transaction."""
        if self._connection is None:
            return
        with closing(self._connection) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", self._new)


def _digest_if_readable(path: Path, cache: _DigestCache) -> str:
    """Return the digest of a file; an empty text if it is unreadable."""
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
    # A file that changed just before it was read could change during the read without a new state.
    if now - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS and _state(before) == _state(after):
        cache.remember(name, _state(before), digest)
    return digest


def _state(status: os.stat_result) -> str:
    """Return a text that changes with the content; SQLite's integers are too small for some inodes."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return " ".join(map(str, numbers))


def _read(file: BinaryIO) -> str:
    import hashlib

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


LOCK_SECONDS = 30.0
"""Maximum number of seconds to wait for the lock of another process."""


def open_cache(file: Path, table: str, columns: str, key: str) -> sqlite3.Connection | None:
    """Open a SQLite file with one table; replace a file that is damaged or has other columns.

    Args:
        file: The file; its folder is made if it is missing.
        table: Name of the table.
        columns: ``name TYPE, name TYPE``.
        key: The columns of the primary key.

    Returns:
        The connection, which the caller closes; None if the file can be neither opened nor made.
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
    connection = sqlite3.connect(file, timeout=LOCK_SECONDS)
    try:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, PRIMARY KEY ({key}))")
        with closing(connection.execute(f"SELECT {names} FROM {table} LIMIT 1")) as rows:  # noqa: S608 - constants only
            rows.fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _in_use(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file may be intact: another process has locked it, or the disk fails."""
    import sqlite3

    return isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such column")
