"""The cache of digests, and SQLite files of one table for this and other caches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

CACHE_NAME = "digests.sqlite"
COLUMNS = "path BLOB, state TEXT, sha256 TEXT"
LOCK_SECONDS = 30.0
"""Maximum number of seconds to wait for the lock of another process."""


class DigestCache:
    """The table of digests. Without a connection it is empty and discards new digests."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._new: list[tuple[bytes, str, str]] = []

    def look_up(self, path: bytes, state: str) -> str:
        """Return the digest of a file in this state, or an empty text."""
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


@contextmanager
def digest_cache(cache_dir: Path | None) -> Iterator[DigestCache]:
    """Open the cache of a folder, which may be damaged or locked; None: an empty one that is not kept."""
    cache = DigestCache(open_cache(cache_dir / CACHE_NAME, "digests", COLUMNS, "path") if cache_dir else None)
    try:
        yield cache
    finally:
        with suppress(sqlite3.Error):
            cache.close()


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
    return isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such column")
