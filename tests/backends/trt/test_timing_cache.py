"""The timing cache: one file per GPU model and release, optional, and replaced atomically."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from backends.trt.timing_cache import TimingCache, read_cache, timing_cache, write_cache
from tests.backends.trt.fake_tensorrt import fake_tensorrt
from tests.support.disk_tools import umask


def configuration(**script: Any) -> Any:
    trt = fake_tensorrt(**script)
    config = trt.IBuilderConfig()
    config.trt = trt
    return config


@pytest.fixture
def cache(tmp_path) -> TimingCache:
    return TimingCache(tmp_path / "timing" / "gpu.cache")


def test_one_file_a_kind_of_gpu_and_release(tmp_path):
    names = {
        timing_cache(tmp_path, *about).path.name
        for about in (
            ("NVIDIA L4", "8.9", "10.16.1.11"),
            ("NVIDIA L4", "8.9", "11.4.0.106"),
            ("NVIDIA L40", "8.9", "10.16.1.11"),
            ("NVIDIA H100/80GB", "9.0", "10.16.1.11"),
        )
    }
    assert "NVIDIA-L4-sm8.9-trt10.16.1.11.cache" in names
    assert len(names) == 4
    assert not any("/" in name for name in names)


def test_a_cache_that_tensorrt_does_not_take(cache):
    assert cache.attach(configuration(blobs=lambda blob: False)) is None
    assert cache.attach(configuration(fitting=lambda blob: False)) is None


def test_no_trace_of_writing_is_left(cache):
    config = configuration()
    cache.attach(config)
    cache.keep(config)
    assert {path.suffix for path in cache.path.parent.iterdir()} <= {".cache", ".lock"}


def test_several_builds_at_once_lose_nothing(cache):
    def build(mark: bytes) -> None:
        config = configuration()
        cache.attach(config)
        start.wait()
        config.timing.content += mark
        cache.keep(config)

    start = threading.Barrier(4)
    threads = [threading.Thread(target=build, args=(mark,)) for mark in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cache.path.read_bytes()) == sorted(b"abcd")


def test_a_folder_that_cannot_be_written(tmp_path, caplog):
    tmp_path.joinpath("file").write_bytes(b"")
    cache = TimingCache(tmp_path / "file" / "gpu.cache")
    config = configuration()
    with caplog.at_level(logging.WARNING, "hookline"):
        cache.attach(config)
    cache.keep(config)
    (said,) = caplog.messages
    assert said.startswith(f"the timing cache '{cache.path}' cannot be written: ")


def test_a_full_disk_keeps_what_was_there(cache, caplog, monkeypatch):
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"before")

    def full(former: str, path: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", full)
    config = configuration()
    cache.attach(config)
    cache.keep(config)
    monkeypatch.undo()
    assert cache.path.read_bytes() == b"before"
    assert {path.suffix for path in cache.path.parent.iterdir()} <= {".cache", ".lock"}
    assert "No space left on device" in caplog.text


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


def test_other_users_can_read_a_cache_file(tmp_path: Path) -> None:
    with umask(0o077):
        write_cache(tmp_path / "a.cache", b"content")
    assert (tmp_path / "a.cache").stat().st_mode & 0o777 == 0o644
