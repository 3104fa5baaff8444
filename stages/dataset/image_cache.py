"""Cache of the facts of decoded images by content, so that unchanged and moved images are not decoded again.

The cache is an SQLite file that several processes can use at once. If it cannot be read, images are decoded again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from core.storage.digest_cache import open_cache

CACHE_NAME = "pictures.sqlite"
COLUMNS = (
    "sha256 BLOB, checks TEXT, width INTEGER, height INTEGER, orientation INTEGER, kind TEXT, reason TEXT, "
    "form TEXT, layout TEXT, similarity BLOB, "
    "alpha TEXT, depth TEXT, white REAL, dark INTEGER, clipped INTEGER"
)
MARKS = ", ".join("?" * (COLUMNS.count(",") + 1))
BATCH = 512


@dataclass(frozen=True)
class ImageFacts:
    """Facts of an image.

    Attributes:
        width, height: Size in pixels after EXIF rotation; 0 if the image is unreadable.
        orientation: EXIF orientation; 1 is upright.
        kind: Kind of finding if the image is unreadable or damaged, otherwise empty.
        reason: Message of the decoder.
        form: Format of the file; empty if it is unreadable or unknown.
        layout: Channel layout that is not three channels, e.g. ``grayscale``; empty otherwise.
        similarity: The :func:`~stages.dataset.similarity.perceptual_hash`; empty for none.
        alpha: What became of the alpha channel (:data:`core.media.pixel_notes.Alpha`).
        depth: Bits and range of the values if there are more than 8 bits per channel, otherwise empty.
        white: The value that became 255, for such an image.
        dark: Whether it is almost black.
        clipped: Whether it has values outside of 0 to ``white``.
    """

    width: int
    height: int
    orientation: int
    kind: str = ""
    reason: str = ""
    form: str = ""
    layout: str = ""
    similarity: bytes = b""
    alpha: str = ""
    depth: str = ""
    white: float = 0.0
    dark: bool = False
    clipped: bool = False


class ImageFactsCache:
    """Image facts by content, for use in the thread that opened it.

    Args:
        connection: The database; None disables the cache.
        checks: Version of the checks; facts of other versions are ignored.
    """

    def __init__(self, connection: sqlite3.Connection | None, checks: str) -> None:
        self._connection = connection
        self._checks = checks
        self._new: list[tuple[object, ...]] = []

    def look_up(self, digest: str) -> ImageFacts | None:
        """Return the facts of the image with this SHA-256, None if unknown."""
        if self._connection is None or not digest:
            return None
        query = "SELECT * FROM pictures WHERE sha256=? AND checks=?"
        try:
            row = self._connection.execute(query, (bytes.fromhex(digest), self._checks)).fetchone()
        except sqlite3.Error:
            return None
        return ImageFacts(*row[2:]) if row else None

    def remember(self, digest: str, facts: ImageFacts) -> None:
        """Add facts; they are written in batches."""
        if self._connection is None or not digest:
            return
        self._new.append((bytes.fromhex(digest), self._checks, *astuple(facts)))
        if len(self._new) >= BATCH:
            self.write()

    def write(self) -> None:
        """Write new facts in one short transaction; they are lost if it fails."""
        if self._connection is None or not self._new:
            return
        with suppress(sqlite3.Error), self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO pictures VALUES ({MARKS})", self._new)  # noqa: S608
        self._new.clear()


@contextmanager
def image_facts_cache(cache_dir: Path, checks: str) -> Iterator[ImageFactsCache]:
    """Open the cache in ``cache_dir``; new facts are also written if the block ends with an error or Ctrl-C."""
    connection = open_cache(cache_dir / CACHE_NAME, "pictures", COLUMNS, "sha256, checks")
    cache = ImageFactsCache(connection, checks)
    try:
        yield cache
    finally:
        cache.write()
        if connection is not None:
            connection.close()
