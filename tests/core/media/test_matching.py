from __future__ import annotations

import glob
import os
import random
import time
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.files.regular_file import is_file
from core.media.matching import files_below, matching
from core.media.source import list_source

pytestmark = pytest.mark.timeout(60)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(folder: Path, pattern: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in matching(folder / pattern)]


def test_a_folder_that_exists_is_taken_as_it_is_written(tmp_path: Path) -> None:
    touch(
        tmp_path, "[ex] a/a[1].jpg", "[ex] a/a1.jpg", "[ex] a/b.jpg", "[ex] a/sub/[x]/c.jpg", "e a/no.jpg", "x a/no.jpg"
    )
    assert names(tmp_path, "[ex] a/*.jpg") == ["[ex] a/a1.jpg", "[ex] a/a[1].jpg", "[ex] a/b.jpg"]
    assert names(tmp_path, "[ex] a/a[[]1].jpg") == ["[ex] a/a[1].jpg"]
    assert names(tmp_path, "[ex] a/a[1].jpg") == ["[ex] a/a1.jpg"]  # the last part is a pattern
    assert names(tmp_path, "[ex] a/**/*.jpg") == [
        "[ex] a/a1.jpg", "[ex] a/a[1].jpg", "[ex] a/b.jpg", "[ex] a/sub/[x]/c.jpg",
    ]  # fmt: skip
    assert names(tmp_path, "*/sub/[x]/*.jpg") == ["[ex] a/sub/[x]/c.jpg"]


def test_a_folder_that_does_not_exist_is_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "e a/1.jpg", "x a/2.jpg", "y a/3.jpg")
    assert names(tmp_path, "[ex] a/*.jpg") == ["e a/1.jpg", "x a/2.jpg"]


def test_a_folder_that_is_called_star_hides_no_other(tmp_path: Path) -> None:
    touch(tmp_path, "*/1.jpg", "a/2.jpg")
    assert names(tmp_path, "*/*.jpg") == ["*/1.jpg", "a/2.jpg"]


@pytest.mark.parametrize("seed", range(5))
def test_without_links_and_brackets_the_matches_are_those_of_glob(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(30):
        touch(tmp_path, "/".join(chance.choice(("a", "b", "ab", ".h")) for _ in range(chance.randint(1, 4))) + "/f.jpg")
    parts = ("a", "b", "*", "?", "a*", "**", ".*", "[ab]", "f.jpg", "*.jpg")
    for _ in range(60):
        pattern = "/".join(chance.choice(parts) for _ in range(chance.randint(1, 4)))
        expected = set(glob.glob(str(tmp_path / pattern), recursive=True))  # noqa: PTH207  what it is compared with
        found = {str(path) for path in matching(tmp_path / pattern) if is_file(path)}
        assert found == set(filter(is_file, expected)), pattern


def test_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "here/[1]/a.jpg", "b.jpg")
    monkeypatch.chdir(tmp_path / "here")
    assert matching(Path("[1]/*.jpg")) == [Path("[1]/a.jpg")]
    assert matching(Path("../*.jpg")) == [Path("../b.jpg")]
    assert list_source("*/*.jpg").files == (tmp_path / "here" / "[1]" / "a.jpg",)


def test_links_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{name}.jpg" for name in "abcdefgh"))
    for name in "abcdefgh":
        for other in "abcdefgh":
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    start = time.perf_counter()
    found = list(files_below(tmp_path))
    assert len(found) == len({path.resolve() for path in found}) == 8
    assert len(list_source(f"{tmp_path}/**/*.jpg").files) >= 8
    assert time.perf_counter() - start < 10


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in (
        "x" * 300,
        "x/" * 3000,
        "a\0b",
        "a\0*",
        "[" * 300 + "*",
        "*" * 300,
        "~nosuchuser/*.jpg",
        "~nosuchuser",
    ):
        with pytest.raises(HooklineError):
            list_source(str(tmp_path / name))
        with pytest.raises(HooklineError):
            list_source(name)


def test_special_files_and_missing_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "list.txt")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("a.jpg", "list.txt", "zero.jpg", "/dev/zero", "/dev/null"):
        with pytest.raises(HooklineError, match="is a FIFO, a socket or a device"):
            list_source(str(tmp_path / name))
    (tmp_path / "l.txt").write_text("a.jpg\n", encoding="utf-8")
    with pytest.raises(HooklineError, match="line 1 of"):
        list_source(str(tmp_path / "l.txt"))


@pytest.mark.parametrize(
    "entry", [b"\xff.jpg", b"x" * 300, b"a\0.jpg", b"~nosuchuser/a.jpg", b"\xe2\x80\xa8", b"/dev/zero"]
)
def test_entries_of_a_list_that_are_not_there(tmp_path: Path, entry: bytes) -> None:
    (tmp_path / "l.txt").write_bytes(b"\xef\xbb\xbf# comment\n" + entry + b"\n")
    with pytest.raises(HooklineError, match=r"line 2 of|names no files"):
        list_source(str(tmp_path / "l.txt"))


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    touch(tmp_path, name)
    (tmp_path / "l.txt").write_bytes(b"caf\xe9.jpg\n")
    assert list_source(str(tmp_path / "l.txt")).names == (name,)
    assert list_source(f"{tmp_path}/caf*.jpg").names == (name,)
