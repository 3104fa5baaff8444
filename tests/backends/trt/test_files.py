"""Cache files that several processes share are replaced atomically."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from backends.trt.timing_cache import read_cache, write_cache


def test_readers_see_complete_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers may share a process id: threads of a process, or the first processes of two containers."""
    path = tmp_path / "new" / "a.cache"
    contents = [bytes([number]) * 100_000 for number in range(2)]
    write_cache(path, contents[0])
    failed: list[Exception] = []

    def write(content: bytes) -> None:
        try:
            for _ in range(50):
                write_cache(path, content)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in contents
    assert failed == []
    assert [item.name for item in path.parent.iterdir()] == ["a.cache"]


def test_nothing_unfinished_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_cache(tmp_path / "a.cache", b"new")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert read_cache(tmp_path / "absent") == b""
    assert read_cache(tmp_path) == b""
