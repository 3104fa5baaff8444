from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.media import suffixes
from core.media.source import list_source
from core.media.suffixes import MAX_ENDINGS, PassedOver, is_image, unknown_kind
from tests.support.media_tools import write_pictures


def passed(*names: str) -> PassedOver:
    files = PassedOver()
    assert files.selected(map(Path, names), lambda _: False) == []
    return files


@pytest.fixture(params=[True, False], ids=["with pillow-heif", "without"])
def heif(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether pillow-heif is installed."""
    monkeypatch.setattr(suffixes, "reads_heif", lambda: request.param)
    return bool(request.param)


def test_heic_is_an_image_with_the_package_and_named_without(heif: bool, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    (tmp_path / "IMG_1.HEIC").touch()
    source = list_source(str(tmp_path))
    assert is_image("x.Heif") is heif
    if heif:
        assert (source.names, source.passed_over) == (("IMG_1.HEIC", "a.png"), "")
        return
    assert source.passed_over == "passed over 1 .heic (install pillow-heif to read them)"
    with pytest.raises(HooklineError, match=r"unknown kind of file '.*HEIC'; install pillow-heif to read HEIC images"):
        list_source(str(tmp_path / "IMG_1.HEIC"))


def test_files_are_counted_once_and_the_most_frequent_suffix_comes_first() -> None:
    assert passed("a.psd", "a/b.psd", "a/b.psd", "c.raw").line("of 'train'") == "passed over 2 .psd, 1 .raw of 'train'"


def test_files_that_are_expected_next_to_images_are_not_counted() -> None:
    names = ["a.txt", "A.JSON", "x.xml", "x.yaml", "README.md", "l.csv", "l.cache", "Thumbs.db", ".DS_Store", ".x.psd"]
    assert passed(*names).line() == ""


def test_odd_suffixes_do_not_lengthen_the_line() -> None:
    assert passed("LICENSE", "a.b c", "a.\n", "a." + "x" * 99).line() in {
        "passed over 3 with another suffix, 1 without a suffix",
    }
    many = passed(*(f"a.x{number:02}" for number in range(MAX_ENDINGS + 5))).line()
    assert re.fullmatch(r"passed over (1 \.x\d\d, ){8}5 of other kinds", many)


def test_a_file_of_another_kind() -> None:
    assert "supported: images such as .jpg" in str(unknown_kind(Path("a.psd")))
