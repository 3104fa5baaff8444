from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from core.errors import HooklineError, shown
from core.media.reader import read_frames
from core.media.source import SourceKind, list_source
from core.media.suffixes import HEIF_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image
from core.media.tolerance import Tolerance
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
    [
        ("0", True),
        ("rtsp://host/1", True),
        ("http://host/live", True),
        ("http://host/live.m3u8", True),
        ("http://host/video.mjpg", True),
        ("https://host/a.mp4?k=1", False),
        ("https://host/a.gif", False),
    ],
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
        ("{folder}/other", r"in folder .*other'; passed over 1 \.psd; supported: images such as \.jpg"),
        ("{folder}/*.tif", r"no image or video matches '.*\*\.tif'; supported"),
        ("{folder}/*.md", r"matches '.*\*\.md'; it matches 1 file of other kinds"),
        ("{folder}/*e*", r"matches '.*\*e\*'; it matches 2 files of other kinds and 2 folders; supported"),
        ("{folder}/empt?", r"matches '.*empt\?'; it matches 1 folder; supported"),
        ("{folder}/notes.md", "unknown kind of file"),
        (
            "{folder}/x.M3U8",
            "unknown kind of file .*; a playlist is not opened, .*: ffmpeg -i x.M3U8 -c copy video.mp4",
        ),
        ("{folder}/a%03d.png", r"no file matches the numbered sequence .*a%03d.png'; did you mean b.png or a.jpg"),
        ("{folder}/empty.txt", "names no files"),
        ("{folder}/bad.txt", "line 2 of .*bad.txt': no such file 'c.png'; did you mean b.png"),
        ("ftp://host/a", "unknown protocol 'ftp'"),
        ("http://host/a.jpg", "is an image on a server; download it"),
    ],
)
def test_mistakes_are_reported_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "x.psd").touch()
    (folder / "x.M3U8").write_text("#EXTM3U\n")
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


@pytest.mark.parametrize(
    ("names", "kind", "stills"),
    [
        (["a.gif"], SourceKind.video, SourceKind.video),
        (["a.gif", "b.GIF"], SourceKind.video, SourceKind.pictures),
        (["a.gif", "b.png"], SourceKind.pictures, SourceKind.pictures),
        (["a.gif", "b.mp4"], SourceKind.video, SourceKind.video),
    ],
)
def test_a_gif_is_an_image_among_images_and_a_video_otherwise(
    tmp_path: Path, names: list[str], kind: SourceKind, stills: SourceKind
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert list_source(str(tmp_path)).kind is kind
    assert list_source(str(tmp_path), stills=True).kind is stills


def test_a_gif_among_images_and_video(tmp_path: Path) -> None:
    for name in ("a.gif", "b.png", "c.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(HooklineError, match=r"contains 2 images and 1 video \(c.mp4\)"):
        list_source(str(tmp_path))


def test_a_gif_among_images_is_read_as_its_first_frame(tmp_path: Path) -> None:
    moving = [Image.new("L", (64, 48), level) for level in (200, 40)]
    moving[0].save(tmp_path / "a.gif", save_all=True, append_images=moving[1:])
    write_pictures(tmp_path, ["b.png"])
    frames = list(read_frames(list_source(str(tmp_path)), Tolerance(2, pytest.fail)))
    assert [frame.name for frame in frames] == ["a.gif", "b.png"]
    assert frames[0].picture.mean() == pytest.approx(200, abs=4)


@pytest.mark.parametrize("text", ["{folder}", "{folder}/**", "{folder}/**/*"])
def test_files_that_are_passed_over_are_counted(folder: Path, text: str) -> None:
    for name in ("x.psd", "Y.PSD", "list.m3u8", "a.txt", "Thumbs.db", ".hidden/x.psd", ".x.psd"):
        (folder / name).touch()
    (folder / "folder.psd").mkdir()
    source = list_source(text.format(folder=folder))
    assert source.passed_over == "passed over 2 .psd, 1 .m3u8 (playlists are not opened)"
    assert source.notes == (f"{source.passed_over} in {shown(text.format(folder=folder))}",)


def test_nothing_is_said_where_every_file_is_read(folder: Path) -> None:
    assert list_source([str(folder), f"{folder}/*.jpg"]).notes == ()


def test_a_numbered_sequence(tmp_path: Path) -> None:
    names = ["im_0009.png", "im_0010.png", "im_10000.png", "im_11.png", "im_00012.png", "im_x.png", "im_0002.jpg"]
    write_pictures(tmp_path / "[1]", names)
    (tmp_path / "[1]" / "im_0011.png").mkdir()
    assert list_source(f"{tmp_path}/[1]/im_%04d.png").names == ("im_0009.png", "im_0010.png", "im_10000.png")
    assert list_source(f"{tmp_path}/[1]/im_%d.png").names == ("im_11.png", "im_10000.png")
    write_pictures(tmp_path, ["50%-1.png", "50%-2.png", "one_%02d.png", "one_01.png"])
    assert list_source(f"{tmp_path}/50%%-%d.png").names == ("50%-1.png", "50%-2.png")
    assert list_source(f"{tmp_path}/one_%02d.png").names == ("one_%02d.png",)
    write_pictures(tmp_path, ["000000000009.png", "000000000010.png", "00011.png"])
    assert list_source(f"{tmp_path}/%012d.png").names == ("000000000009.png", "000000000010.png")


def test_a_sequence_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a1.psd").touch()
    with pytest.raises(HooklineError, match=r"unknown kind of file '.*a1.psd'"):
        list_source(f"{tmp_path}/a%d.psd")


def test_a_broken_link_is_unreadable_and_a_folder_is_not_an_image(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "folder.jpg/b.png"])
    (tmp_path / "c.png").symlink_to(tmp_path / "missing.png")
    source = list_source(str(tmp_path))
    assert source.names == ("a.png", "c.png", "folder.jpg/b.png")
    warned: list[str] = []
    assert len(list(read_frames(source, Tolerance(3, warned.append)))) == 2
    assert warned == ["skipped 'c.png': No such file or directory"]


def test_a_video_named_as_an_image_is_unreadable(tmp_path: Path) -> None:
    write_levels(tmp_path / "x.avi", 3).rename(tmp_path / "x.jpg")
    write_pictures(tmp_path, ["a.png"])
    warned: list[str] = []
    assert len(list(read_frames(list_source(str(tmp_path)), Tolerance(2, warned.append)))) == 1
    assert warned == ["skipped 'x.jpg': not an image, or damaged"]


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
    for word, suffixes in (
        ("- images:", IMAGE_SUFFIXES),
        ("- HEIC images:", HEIF_SUFFIXES),
        ("- video:", VIDEO_SUFFIXES),
    ):
        (line,) = (line for line in lines if line.startswith(word))
        assert tuple(re.findall(r"`(\.\w+)`", line)) == suffixes


@pytest.mark.parametrize(
    ("name", "image"), [("a.JFIF", True), ("a.jpe", True), ("a.GIF", True), ("a.Avif", True), ("a", False)]
)
def test_suffixes_of_images(name: str, image: bool) -> None:
    assert is_image(name) is image
    assert is_image(Path("folder.jpg") / name) is image
