from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.storage.serial import json_text
from stages.predict import live_text
from stages.predict.live_text import LiveText, json_entries, json_list
from tests.support.disk_tools import small_disk


def test_it_is_a_list_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with json_list(path) as file:
        assert json.loads(path.read_text()) == []
        for number in range(5):
            file.append([json_text({"n": number}), json_text("ä\n")])
            assert json.loads(path.read_text()) == [item for n in range(number + 1) for item in ({"n": n}, "ä\n")]
            file.append([])
    assert list(json_entries(path)) == json.loads(path.read_text())


def test_it_begins_with_what_is_kept_of_the_file_that_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with json_list(path) as file:
        file.append(["1", "2", "3"])
    with json_list(path, (entry for entry in json_entries(path) if entry != 2)) as file:
        file.append(["4"])
    assert json.loads(path.read_text()) == [1, 3, 4]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_file_that_was_cut_off_gives_its_whole_entries(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.json"
    with json_list(path) as file:
        file.append([json_text({"name": "a"}), json_text({"name": "b"})])
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    entries = list(json_entries(path))
    assert entries == [{"name": "a"}, {"name": "b"}][: len(entries)]


def test_names_that_are_not_unicode_are_escaped(tmp_path: Path) -> None:
    with json_list(tmp_path / "x.json") as file:
        file.append([json_text({"name": "a\udcff.jpg"})])
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == [{"name": "a\udcff.jpg"}]


def test_a_write_that_fails_in_the_middle_leaves_the_entries_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write_all = tmp_path / "x.json", live_text._write_all

    def half(file: int, content: bytes, offset: int) -> None:
        if b"much" in content:
            write_all(file, content[:7], offset)
            raise OSError(28, "No space left on device")
        write_all(file, content, offset)

    monkeypatch.setattr(live_text, "_write_all", half)
    with json_list(path) as file:
        file.append(["1"])
        with pytest.raises(OSError, match="space"):
            file.append(['"much"'])
        assert json.loads(path.read_text()) == [1]
        file.append(["2"])
    assert json.loads(path.read_text()) == [1, 2]


def test_a_full_disk_leaves_a_whole_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        added: list[int] = []

        def fill() -> None:
            with json_list(disk / "x.json") as file:
                for number in range(1000):
                    file.append([json_text({"n": number, "text": "x" * 999})])
                    added.append(number)

        with pytest.raises(OSError, match="space"):
            fill()
        assert len(json.loads((disk / "x.json").read_text())) == len(added) > 10


def test_a_link_in_its_place_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("the user's")
    (tmp_path / "x").symlink_to(tmp_path / "victim")
    with LiveText(tmp_path / "x", head="h") as file:
        file.append(["1"])
    assert (tmp_path / "victim").read_text() == "the user's"
    assert (tmp_path / "x").read_text() == "h1"
