"""Text files that are complete after each append, so that a killed process leaves a readable file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from core.files.paths import replacing
from core.storage.serial import json_text


class LiveText:
    """A text file with entries between a head and a tail; each append overwrites the tail and writes a new one.

    An append goes to the operating system at once. If it fails, e.g. on a full disk, the previous entries and the tail
    are restored: their space is allocated already.

    Args:
        path: The file; its previous content is replaced.
        entries: First entries; they may be read from the file that is replaced.
        head: Text before the first entry.
        separator: Text between two entries.
        tail: Text after the last entry.
    """

    def __init__(
        self, path: Path, entries: Iterable[str] = (), *, head: str = "", separator: str = "", tail: str = ""
    ) -> None:
        self._separator, self._tail = separator.encode(), tail.encode()
        self._first = True
        with replacing(path) as fresh, fresh.open("wb") as file:
            file.write(head.encode())
            for entry in entries:
                file.write(self._joined(_bytes(entry)))
            self._end = file.tell()
            file.write(self._tail)
        self._file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)

    def append(self, entries: Sequence[str]) -> None:
        """Append entries."""
        if entries:
            first = self._first
            try:
                self._write(b"".join(self._joined(_bytes(entry)) for entry in entries))
            except BaseException:
                self._first = first
                raise

    def _joined(self, entry: bytes) -> bytes:
        """Return the entry, after a separator unless it is the first one."""
        first, self._first = self._first, False
        return entry if first else self._separator + entry

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> LiveText:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, content: bytes) -> None:
        try:
            _write_all(self._file, content + self._tail, self._end)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
                _write_all(self._file, self._tail, self._end)
            raise
        self._end += len(content)


def json_list(path: Path, entries: Iterable[object] = ()) -> LiveText:
    """Open a JSON list with one entry per line."""
    return LiveText(path, map(json_text, entries), head="[\n", separator=",\n", tail="\n]\n")


def json_entries(path: Path) -> Iterator[object]:
    """Yield the entries of a :func:`json_list`, also of a file that a killed process left incomplete."""
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if (text := line.strip().removesuffix(",")) in {"", "[", "]"}:
                continue
            try:
                yield json.loads(text)
            except ValueError:  # cut off in the middle of the last entry
                return


def _bytes(text: str) -> bytes:
    """Encode as UTF-8; bytes of file names that are not UTF-8 stay as they are."""
    return text.encode("utf-8", "surrogateescape")


def _write_all(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written
