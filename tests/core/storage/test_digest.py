from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from core.storage import digest
from core.storage.digest import digest_each, file_digest, files_digest, text_digest
from core.storage.digest_cache import CACHE_NAME

SETTLED = 0.05
"""Seconds; more than the longest step of the kernel's clock, 10 ms, which is the resolution of time stamps."""


@pytest.fixture(autouse=True)
def _soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can set a change time, so each waits until its files are settled."""
    monkeypatch.setattr(digest, "SETTLED_NS", int(SETTLED * 1e9))


def write_old(path: Path, content: bytes, seconds: int = 100) -> Path:
    """A file modified at a time in the past."""
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))
    return path


def settle() -> None:
    """Wait until the files that were written are remembered."""
    time.sleep(SETTLED * 1.5)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    file = write_old(tmp_path / "x", b"abc" * 1_000_000)
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file_digest(file) == file_digest(file, tmp_path / "cache") == expected


def test_a_remembered_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    settle()
    first = file_digest(file, cache)
    monkeypatch.setattr(digest, "_read", lambda _: pytest.fail("read again"))
    assert file_digest(file, cache) == first


@pytest.mark.parametrize(("content", "seconds"), [(b"abd", 101), (b"abcd", 100)])
def test_a_changed_file_is_read_again(tmp_path: Path, content: bytes, seconds: int) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    settle()
    file_digest(file, cache)
    write_old(file, content, seconds)
    assert file_digest(file, cache) == hashlib.sha256(content).hexdigest()


def test_a_file_rewritten_with_its_size_and_time_is_read_again(tmp_path: Path) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    settle()
    file_digest(file, cache)
    write_old(file, b"abd")
    assert file_digest(file, cache) == sha256(b"abd")


def test_a_file_replaced_by_one_of_its_size_and_time_is_read_again(tmp_path: Path) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    other = write_old(tmp_path / "y", b"abd")
    settle()
    file_digest(file, cache)
    other.replace(file)
    assert file_digest(file, cache) == sha256(b"abd")


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next change may get the same time stamps."""
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    monkeypatch.setattr(digest, "SETTLED_NS", 3_600_000_000_000)
    monkeypatch.setattr(digest, "file_state", lambda _: "the same")
    file_digest(file, cache)
    file.write_bytes(b"abd")
    assert file_digest(file, cache) == sha256(b"abd")


@pytest.mark.parametrize("change", ["rewritten", "replaced"])
def test_a_file_changed_while_it_is_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The digest is of neither version, or of the replaced one."""
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    settle()
    read = digest._read

    def disturbed(opened: BinaryIO) -> str:
        found = read(opened)
        if change == "replaced":
            file.rename(tmp_path / "former")
        write_old(file, b"abd")
        return found

    monkeypatch.setattr(digest, "_read", disturbed)
    file_digest(file, cache)
    with closing(sqlite3.connect(cache / CACHE_NAME)) as connection:
        assert connection.execute("SELECT * FROM digests").fetchall() == []
    monkeypatch.setattr(digest, "_read", read)
    assert file_digest(file, cache) == sha256(b"abd")


def test_a_file_that_settles_while_it_is_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have changed after its first part was read, within the same time stamp."""
    file, cache = tmp_path / "x", tmp_path / "cache"
    file.write_bytes(b"abc")
    monkeypatch.setattr(digest, "_read", lambda _: settle() or "of another version")
    file_digest(file, cache)
    monkeypatch.undo()
    assert file_digest(file, cache) == sha256(b"abc")


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_changes_gives_a_former_digest(tmp_path: Path, seed: int) -> None:
    """After any changes of files, their digests are those of the current content."""
    chance, names, cache = random.Random(seed), [tmp_path / name for name in "abc"], tmp_path / "cache"

    def rewrite(file: Path) -> None:
        times = file.stat()
        with file.open("r+b") as opened:
            opened.write(chance.randbytes(2))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def truncate(file: Path) -> None:
        times, size = file.stat(), file.stat().st_size
        os.truncate(file, 1)
        os.truncate(file, size)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def exchange(file: Path) -> None:
        other = file.with_name("other")
        other.write_bytes(chance.randbytes(4))
        shutil.copystat(file, other)
        other.replace(file)

    def link(file: Path) -> None:
        other = chance.choice(names)
        if not other.samefile(file):
            other.unlink()
            other.hardlink_to(file)

    def swap(file: Path) -> None:
        other, between = chance.choice(names), file.with_name("between")
        file.rename(between)
        if other != file:
            other.rename(file)
        between.rename(other)

    changes = [
        rewrite, truncate, exchange, link, swap,
        lambda file: write_old(file, chance.randbytes(4)),
        lambda file: os.utime(file, (200, 200)),
        lambda _: settle(),
    ]  # fmt: skip
    for name in names:
        write_old(name, chance.randbytes(4))
    for _ in range(150):
        chance.choice(changes)(chance.choice(names))
        assert list(digest_each(names, cache)) == [sha256(name.read_bytes()) for name in names]


def test_a_broken_cache_has_no_effect(tmp_path: Path) -> None:
    file, cache = write_old(tmp_path / "x", b"abc"), tmp_path / "cache"
    cache.mkdir()
    (cache / CACHE_NAME).write_bytes(b"this is not a database" * 100)
    assert file_digest(file, cache) == hashlib.sha256(b"abc").hexdigest()


def test_a_cache_with_a_damaged_page_has_no_effect(tmp_path: Path) -> None:
    files, cache = [write_old(tmp_path / str(index), b"abc") for index in range(100)], tmp_path / "cache"
    expected = [hashlib.sha256(b"abc").hexdigest()] * 100
    settle()
    assert list(digest_each(files, cache)) == expected
    content = (cache / CACHE_NAME).read_bytes()
    (cache / CACHE_NAME).write_bytes(content[: len(content) // 2] + b"\xaa" * (len(content) - len(content) // 2))
    assert list(digest_each(files, cache)) == expected


def test_concurrent_processes(tmp_path: Path) -> None:
    files = [write_old(tmp_path / str(index), bytes([index])) for index in range(20)]
    settle()
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


def test_digests_of_single_files(tmp_path: Path) -> None:
    file = write_old(tmp_path / "x", b"abc")
    known = hashlib.sha256(b"abc").hexdigest()
    assert list(digest_each([file, tmp_path / "missing", tmp_path, file], tmp_path / "cache")) == [known, "", "", known]


def test_the_digest_of_a_text_does_not_depend_on_the_locale() -> None:
    code = "from core.storage.digest import text_digest; print(text_digest('\\u732b'))"
    ascii_names = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | ascii_names, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == text_digest("\u732b")
