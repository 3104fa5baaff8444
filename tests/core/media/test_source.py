from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.media.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image
from core.media.source import SourceKind, list_source
from tests.support.media_tools import write_levels, write_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path, ["b.png", "a.jpg", "sub/a.jpg", ".hidden/c.jpg", ".d.jpg"])
    (tmp_path / "notes.md").write_text("not a picture")
    return tmp_path


def test_a_folder_is_listed_with_subfolders_sorted_without_hidden_files(folder: Path) -> None:
    source = list_source(str(folder))
    assert source.kind is SourceKind.pictures
    assert source.names == ("a.jpg", "b.png", "sub/a.jpg")
    assert source.files == tuple(folder / name for name in source.names)


def test_a_linked_folder_is_followed_once(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "link").symlink_to(write_pictures(folder.parent / f"{folder.name}-more", ["z.jpg"])[0].parent)
    assert list_source(str(folder)).names == ("a.jpg", "b.png", "link/z.jpg", "sub/a.jpg")


def test_a_image_is_named_by_its_file(folder: Path) -> None:
    assert list_source(str(folder / "sub" / "a.jpg")).names == ("a.jpg",)


def test_glob(folder: Path) -> None:
    assert list_source(f"{folder}/**/*.jpg").names == ("a.jpg", "sub/a.jpg")


@pytest.mark.parametrize("pattern", ["*.jpg", "a[[]1].jpg", "**/a*.jpg"])
def test_a_glob_in_a_folder_with_brackets(folder: Path, pattern: str) -> None:
    write_pictures(folder, ["[ex] a*/[b]/a[1].jpg"])
    found = list_source(f"{folder}/[ex] a*/[b]/{pattern}").files
    assert found == (folder / "[ex] a*" / "[b]" / "a[1].jpg",)


def test_a_name_with_brackets_is_not_a_glob(folder: Path) -> None:
    write_pictures(folder, ["[1].jpg"])
    assert list_source(str(folder / "[1].jpg")).names == ("[1].jpg",)


def test_a_list_keeps_its_order_and_drops_repetitions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "list.txt").write_text("# mine\nsub/a.jpg\n\n./b.png\nsub/a.jpg\n")
    assert list_source(str(folder / "list.txt")).names == ("sub/a.jpg", "b.png")
    monkeypatch.chdir(folder)
    (folder / "sub" / "other.txt").write_text("b.png\n")
    assert list_source("sub/other.txt").files == (folder / "b.png",)


@pytest.mark.parametrize("line", ["../other/x.jpg", "sub/../../other/x.jpg", "{other}/x.jpg", "link/../other/x.jpg"])
def test_names_stay_below_the_common_folder(folder: Path, line: str) -> None:
    other = write_pictures(folder.parent / f"{folder.name}-other", ["x.jpg"])[0].parent
    (folder.parent / "other").mkdir(exist_ok=True)
    write_pictures(folder.parent / "other", ["x.jpg"])
    (folder / "link").symlink_to(other)
    (folder / "list.txt").write_text(f"b.png\n{line.format(other=other)}\nsub/../b.png\n")
    source = list_source(str(folder / "list.txt"))
    assert len(source.names) == 2
    for name, file in zip(source.names, source.files, strict=True):
        assert ".." not in Path(name).parts + file.parts
        assert not Path(name).is_absolute()
        assert file.is_file()


def test_a_folder_above_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "sub")
    for text in ("..", "../", "../*.*", "../sub/.."):
        assert set(list_source(text).names) >= {"a.jpg", "b.png"}


def test_several_sources(folder: Path) -> None:
    source = list_source([str(folder / "sub"), str(folder / "b.png")])
    assert source.names == ("sub/a.jpg", "b.png")


def test_video(tmp_path: Path) -> None:
    write_levels(tmp_path / "x.avi", 3)
    assert list_source(str(tmp_path / "x.avi")).kind is SourceKind.video


@pytest.mark.parametrize(
    ("text", "live"),
    [("0", True), ("rtsp://host/1", True), ("http://host/live", True), ("https://host/a.mp4?k=1", False)],
)
def test_streams(text: str, live: bool) -> None:
    source = list_source(text)
    assert (source.kind, source.address, source.live) == (SourceKind.stream, text, live)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the source is empty"),
        ("{folder}/aa.jpg", "no such source .*aa.jpg'; did you mean a.jpg"),
        ("{folder}/nowhere/deep/a.jpg", "the folder '.*/nowhere' does not exist"),
        ("{folder}/empty", r"no images or video in folder .*empty'; supported: images such as \.jpg"),
        ("{folder}/*.tif", r"no image or video matches '.*\*\.tif'; supported"),
        ("{folder}/*.md", r"matches '.*\*\.md'; it matches 1 file of other kinds"),
        ("{folder}/notes.md", "unknown kind of file"),
        ("{folder}/empty.txt", "names no files"),
        ("{folder}/bad.txt", "line 2 of .*bad.txt': no such file 'c.png'; did you mean b.png"),
        ("ftp://host/a", "unknown protocol 'ftp'"),
        ("http://host/a.jpg", "is an image on a server; download it"),
    ],
)
def test_mistakes_are_reported_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "empty.txt").write_text("\n# nothing\n")
    (folder / "bad.txt").write_text("a.jpg\nc.png\n")
    with pytest.raises(HooklineError, match=message) as raised:
        list_source(text.format(folder=folder))
    assert "\n" not in str(raised.value)


def test_images_and_video_do_not_mix(folder: Path) -> None:
    write_levels(folder / "x.avi", 1)
    with pytest.raises(HooklineError, match=r"3 images and 1 video \(x.avi\);"):
        list_source(str(folder))


def test_a_stream_comes_alone(folder: Path) -> None:
    with pytest.raises(HooklineError, match="a stream must be the only source"):
        list_source([str(folder), "rtsp://host/1"])


def test_the_digest_follows_names_and_content_not_the_place(folder: Path, tmp_path: Path) -> None:
    cache, moved = tmp_path / "cache", tmp_path.parent / f"{tmp_path.name}-moved"
    first = list_source(str(folder)).digest(cache)
    write_pictures(moved, ["b.png", "a.jpg", "sub/a.jpg"])
    assert list_source(str(moved)).digest(cache) == first == list_source(str(folder)).digest()
    (moved / "a.jpg").rename(moved / "c.jpg")
    renamed = list_source(str(moved)).digest(cache)
    (moved / "b.png").write_bytes(b"other")
    assert len({first, renamed, list_source(str(moved)).digest(cache)}) == 3


def test_a_stream_has_no_digest() -> None:
    with pytest.raises(HooklineError, match="cannot be read twice"):
        list_source("rtsp://host/1").digest()


def test_listing_imports_nothing_heavy(repo_root: Path) -> None:
    import subprocess
    import sys

    code = "import sys, core.media.source; print([m for m in ('cv2', 'av', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo_root, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_documentation_lists_every_suffix(repo_root: Path) -> None:
    lines = (repo_root / "docs" / "sources.md").read_text().splitlines()
    for word, suffixes in (("- images:", IMAGE_SUFFIXES), ("- video:", VIDEO_SUFFIXES)):
        (line,) = (line for line in lines if line.startswith(word))
        assert tuple(re.findall(r"`(\.\w+)`", line)) == suffixes


@pytest.mark.parametrize(("name", "image"), [("a.JFIF", True), ("a.jpe", True), ("a.gif", False), ("a", False)])
def test_suffixes_of_images(name: str, image: bool) -> None:
    assert is_image(name) is image
    assert is_image(Path("folder.jpg") / name) is image
