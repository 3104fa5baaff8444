from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.storage.digest_cache import open_cache

COLUMNS = "path TEXT, size INTEGER"


def rows(file: Path) -> list[tuple[str, int]]:
    connection = open_cache(file, "sizes", COLUMNS, "path")
    assert connection is not None
    with closing(connection):
        return connection.execute("SELECT path, size FROM sizes").fetchall()


def fill(file: Path) -> None:
    connection = open_cache(file, "sizes", COLUMNS, "path")
    assert connection is not None
    with closing(connection), connection:
        connection.execute("INSERT OR REPLACE INTO sizes VALUES ('a', 1)")


def test_remembers(tmp_path: Path) -> None:
    file = tmp_path / "new" / "cache.sqlite"
    fill(file)
    fill(file)
    assert rows(file) == [("a", 1)]


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(3000)])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cache.sqlite"
    file.write_bytes(content)
    assert rows(file) == []
    fill(file)
    assert rows(file) == [("a", 1)]


def test_a_file_with_other_columns_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "cache.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE sizes (name TEXT)")
    assert rows(file) == []


def test_a_file_that_another_process_writes_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cache.sqlite"
    fill(file)
    monkeypatch.setattr("core.storage.digest_cache.LOCK_SECONDS", 0)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert open_cache(file, "sizes", COLUMNS, "path") is None
        other.execute("ROLLBACK")
    assert rows(file) == [("a", 1)]


def test_where_nothing_can_be_written_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert open_cache(tmp_path / "file" / "cache.sqlite", "sizes", COLUMNS, "path") is None
