"""What decoding a picture told, remembered by its content: a picture that moved is not decoded again.

An SQLite file that several processes may use at once. It is only a help: where it cannot be read,
pictures are decoded again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from core.storage.digest import open_cache

CACHE_NAME = "pictures.sqlite"
COLUMNS = "sha256 BLOB, checks TEXT, width INTEGER, height INTEGER, orientation INTEGER, kind TEXT, reason TEXT"
BATCH = 512


@dataclass(frozen=True)
class ImageFacts:
    """What a picture is.

    Attributes:
        width, height: Pixels, after it was turned as EXIF says; 0 where it cannot be read.
        orientation: EXIF's, 1 is upright.
        kind: The finding that it cannot be read or is damaged, empty for neither.
        reason: What the library says.
    """

    width: int
    height: int
    orientation: int
    kind: str = ""
    reason: str = ""


class ImageFactsCache:
    """Facts by content. Only for the thread that opened it.

    Args:
        connection: None: it knows nothing and keeps nothing.
        checks: Names what looked at the pictures; facts that another version found do not count.
    """

    def __init__(self, connection: sqlite3.Connection | None, checks: str) -> None:
        self._connection = connection
        self._checks = checks
        self._new: list[tuple[object, ...]] = []

    def look_up(self, digest: str) -> ImageFacts | None:
        """What is known of the picture with this sha256."""
        if self._connection is None or not digest:
            return None
        query = "SELECT width, height, orientation, kind, reason FROM pictures WHERE sha256=? AND checks=?"
        try:
            row = self._connection.execute(query, (bytes.fromhex(digest), self._checks)).fetchone()
        except sqlite3.Error:
            return None
        return ImageFacts(*row) if row else None

    def remember(self, digest: str, facts: ImageFacts) -> None:
        """Keep what was found; written in batches."""
        if self._connection is None or not digest:
            return
        self._new.append((bytes.fromhex(digest), self._checks, *astuple(facts)))
        if len(self._new) >= BATCH:
            self.write()

    def write(self) -> None:
        """Write what is new in one short transaction; where that fails, it is not remembered."""
        if self._connection is None or not self._new:
            return
        with suppress(sqlite3.Error), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)", self._new)
        self._new.clear()


@contextmanager
def image_facts_cache(cache_dir: Path, checks: str) -> Iterator[ImageFactsCache]:
    """The cache in ``cache_dir``; what was found is written also when the block is left by an error or Ctrl-C."""
    connection = open_cache(cache_dir / CACHE_NAME, "pictures", COLUMNS, "sha256, checks")
    cache = ImageFactsCache(connection, checks)
    try:
        yield cache
    finally:
        cache.write()
        if connection is not None:
            connection.close()
