"""SQLite files that remember what is dear to find out. They are only a help: without one, it is found out again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

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
    return isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such column")
