from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from core.files.regular_file import (
    NotRegularError,
    TooLargeError,
    exists,
    is_file,
    is_folder,
    open_regular,
    read_regular,
)

IMPOSSIBLE = ("a" * 300, "a/" * 3000, "a\0b", "\ud800", "")
"""Names that no file can have."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def linked_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("there"))
    path.symlink_to("there")


@pytest.mark.parametrize("make", [fifo, listening, zeros, folder, linked_fifo])
@pytest.mark.timeout(5)
def test_only_regular_files_are_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(NotRegularError) as raised:
        open_regular(tmp_path / "x")
    assert "not a regular file" in (raised.value.strerror or "")


@pytest.mark.timeout(5)
def test_a_fifo_that_replaces_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"1")
    status = file.stat()
    file.unlink()
    os.mkfifo(file)
    monkeypatch.setattr(os, "stat", lambda _: status)
    with pytest.raises(NotRegularError):
        open_regular(file)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_invalid_file_names(name: str) -> None:
    assert not is_file(name)
    assert not is_folder(name)
    assert not exists(name)
    with pytest.raises(OSError, match=r".") as raised:
        open_regular(name)
    assert raised.value.strerror


def test_a_dangling_link_and_a_loop_are_missing(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("dangling", "loop"):
        assert not is_file(tmp_path / name)
        with pytest.raises(OSError, match=r"."):
            read_regular(tmp_path / name)


def test_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"1234")
    assert read_regular(file, 4) == b"1234"
    with pytest.raises(TooLargeError, match="it has 4 bytes, the limit is 3"):
        read_regular(file, 3)


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="needs /proc")
def test_a_file_that_is_larger_than_its_stated_size() -> None:
    assert Path("/proc/meminfo").stat().st_size == 0
    with pytest.raises(TooLargeError, match="the limit is 10"):
        read_regular("/proc/meminfo", 10)
