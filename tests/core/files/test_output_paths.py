from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.files.paths import NAME_BYTES, free_path, output_below, output_path, replacing, write_file
from tests.support.disk_tools import umask

PIECES = ["..", ".", "/", "//", "\\", "a", "..a", "a..", " ", "\0", "\n", "~", "-", "é", "日" * 90, "x" * 300, ".txt",
          "\udcff", "$HOME", "%2e%2e", "..%2f", "C:", "con", "*", "link", "\u202e", "\U0001f600"]  # fmt: skip


def hostile(generator: random.Random) -> str:
    return "".join(generator.choice(PIECES) for _ in range(generator.randint(0, 6)))


def everything_in(folder: Path) -> set[str]:
    return {f"{parent}/{name}" for parent, folders, files in os.walk(folder) for name in [*folders, *files]}


@pytest.mark.parametrize("make", [output_path, output_below, free_path])
def test_hostile_names_stay_inside_or_are_refused(tmp_path: Path, make: object) -> None:
    generator = random.Random(0)
    folder, victim = tmp_path / "run" / "predict", tmp_path / "victim"
    folder.mkdir(parents=True)
    victim.mkdir()
    (folder / "link").symlink_to(victim)
    before = everything_in(tmp_path) - {str(tmp_path / "run")}
    written = refused = 0
    for _ in range(3400):
        name = hostile(generator)
        try:
            path: Path = make(folder, name)  # type: ignore[operator]
        except HooklineError:
            refused += 1
            continue
        assert folder in path.parents, name
        assert ".." not in path.parts
        if any(parent.is_file() for parent in path.parents):
            continue  # an earlier name took the place of the folder
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            write_file(path, b"x")
            written += 1
    assert written > 300
    assert refused > 300
    outside = {path for path in everything_in(tmp_path) - before if not path.startswith(f"{tmp_path / 'run'}")}
    assert outside == set()
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b"])
def test_invalid_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HooklineError, match="cannot write an output named"):
        output_path(tmp_path, name)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path)
    (tmp_path / "out" / "dangling.txt").symlink_to(tmp_path / "nowhere")
    for names in (("a",), ("a", "b.txt"), ("dangling.txt",)):
        with pytest.raises(HooklineError, match="is a symbolic link"):
            output_path(tmp_path / "out", *names)
    assert free_path(tmp_path / "out", "dangling.txt").name == "dangling.txt-2"


def test_long_names_are_shortened_and_stay_unique(tmp_path: Path) -> None:
    names = ["日" * 200 + ending for ending in ("a.jpg", "b.jpg")]
    paths = [output_path(tmp_path, name) for name in names]
    assert len({path.name for path in paths}) == 2
    for path in paths:
        assert len(os.fsencode(path.name)) <= NAME_BYTES
        assert path.name.startswith("日日")
        assert path.suffix == ".jpg"
        write_file(path, b"x")
    assert output_path(tmp_path, "x" * NAME_BYTES).name == "x" * NAME_BYTES


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_file(target, b"one")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_files_get_the_permissions_of_the_umask(tmp_path: Path) -> None:
    with umask(0o027):
        write_file(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
