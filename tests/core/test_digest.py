from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from core import digest
from core.digest import CACHE_NAME, digest_each, file_digest, files_digest


def write_old(path: Path, content: bytes, seconds: int = 100) -> Path:
    """A file changed long enough ago to be remembered."""
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))
    return path


def test_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    file = write_old(tmp_path / "x", b"abc" * 1_000_000)
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file_digest(file) == file_digest(file, tmp_path / "cache") == expected


def test_a_remembered_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    first = file_digest(file, cache)
    monkeypatch.setattr(digest, "_read", lambda _: pytest.fail("read again"))
    assert file_digest(file, cache) == first


@pytest.mark.parametrize(("content", "seconds"), [(b"abd", 101), (b"abcd", 100)])
def test_a_changed_file_is_read_again(tmp_path: Path, content: bytes, seconds: int) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    file_digest(file, cache)
    write_old(file, content, seconds)
    assert file_digest(file, cache) == hashlib.sha256(content).hexdigest()


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    file, cache = tmp_path / "x", tmp_path / "cache"
    file.write_bytes(b"abc")
    status = file.stat()
    file_digest(file, cache)
    file.write_bytes(b"abd")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(file, cache) == hashlib.sha256(b"abd").hexdigest()


def test_a_broken_cache_is_only_slow(tmp_path: Path) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    cache.mkdir()
    (cache / CACHE_NAME).write_bytes(b"this is no database" * 100)
    assert file_digest(file, cache) == hashlib.sha256(b"abc").hexdigest()


def test_a_cache_with_a_damaged_page_is_only_slow(tmp_path: Path) -> None:
    files, cache = [write_old(tmp_path / str(index), b"abc") for index in range(100)], tmp_path / "cache"
    expected = [hashlib.sha256(b"abc").hexdigest()] * 100
    assert list(digest_each(files, cache)) == expected
    content = (cache / CACHE_NAME).read_bytes()
    (cache / CACHE_NAME).write_bytes(content[: len(content) // 2] + b"\xaa" * (len(content) - len(content) // 2))
    assert list(digest_each(files, cache)) == expected


def test_many_at_once(tmp_path: Path) -> None:
    files = [write_old(tmp_path / str(index), bytes([index])) for index in range(20)]
    results: list[list[str]] = []
    work = lambda: results.append([file_digest(file, tmp_path / "cache") for file in files])  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[hashlib.sha256(file.read_bytes()).hexdigest() for file in files]] * 4


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/street\xff.jpg"))
    file.write_bytes(b"x")
    assert files_digest([(file.name, file)], tmp_path / "cache") == files_digest([(file.name, file)])


def test_each_file_for_itself(tmp_path: Path) -> None:
    file = write_old(tmp_path / "x", b"abc")
    known = hashlib.sha256(b"abc").hexdigest()
    assert list(digest_each([file, tmp_path / "missing", tmp_path, file], tmp_path / "cache")) == [known, "", "", known]
