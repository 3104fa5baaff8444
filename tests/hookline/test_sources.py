"""hookline.frames reads every kind of source like the stages."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

import hookline
from tests.support.media_tools import level_picture, write_levels, write_pictures, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, one of them in a subfolder, a list with one image, and a video with five frames."""
    folder = tmp_path_factory.mktemp("sources")
    write_pictures(folder / "images", ["b.png", "a/1.png"])
    (folder / "list.txt").write_text("images/b.png\n", encoding="utf-8")
    write_levels(folder / "video.avi", 5)
    return folder


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("images/b.png", ["b.png"]),
        ("images", ["a/1.png", "b.png"]),
        ("images/*.png", ["b.png"]),
        ("list.txt", ["b.png"]),
        (["images/b.png", Path("images/a/1.png")], ["b.png", "a/1.png"]),
        (Path("video.avi"), [f"video.avi#{number}" for number in range(5)]),
    ],
)
def test_every_kind_of_source(folder: Path, monkeypatch: pytest.MonkeyPatch, source: object, names: list[str]) -> None:
    monkeypatch.chdir(folder)
    found = list(hookline.frames(source))
    assert [frame.name for frame in found] == names
    assert [frame.index for frame in found] == list(range(len(names)))
    assert hookline.frame_count(source) == len(names)
    assert all(frame.path in hookline.list_source(source).files for frame in found)
    for frame in found:
        assert frame.path is not None
        if frame.path.suffix == ".png":
            assert np.array_equal(frame.picture, hookline.read_image(frame.path))


def test_frames_of_a_video(folder: Path) -> None:
    listed = hookline.list_source(folder / "video.avi")
    assert (listed.kind, listed.live) == (hookline.SourceKind.video, False)
    found = list(hookline.frames(listed, stride=2, limit=2))
    assert [(frame.index, frame.number, frame.seconds, frame.rate) for frame in found] == [
        (0, 0, 0.0, 10.0),
        (2, 2, 0.2, 10.0),
    ]
    assert abs(float(found[1].picture.mean()) - 32) < 3
    assert hookline.frame_count(listed, stride=2) == 3


def test_a_source_that_is_left_early_is_closed(folder: Path) -> None:
    def handles() -> int:
        gc.collect()
        return sum("video.avi" in str(item.readlink()) for item in Path("/proc/self/fd").iterdir() if item.exists())

    found = hookline.frames(folder / "video.avi")
    assert next(found).index == 0
    assert handles() > 0
    del found
    assert handles() == 0


def test_unreadable_and_damaged_files_are_reported(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path, [f"{number}.png" for number in range(3)])
    (tmp_path / "1.png").write_bytes(b"no image")
    lines: list[str] = []
    assert [frame.index for frame in hookline.frames(tmp_path, warn=lines.append)] == [0, 2]
    assert lines == ["skipped '1.png': not an image, or damaged"]
    assert capfd.readouterr().err == ""
    assert len(list(hookline.frames(tmp_path))) == 2
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", f"warning: {lines[0]}\n")
    (tmp_path / "2.png").write_bytes(b"no image")
    with pytest.raises(hookline.HooklineError, match="2 of 3 files cannot be read"):
        list(hookline.frames(tmp_path, warn=lines.append))
    assert len(list(hookline.frames(tmp_path, on_error="skip", warn=lines.append))) == 1
    with pytest.raises(hookline.HooklineError, match="1 of 3 files cannot be read"):
        list(hookline.frames(tmp_path, on_error="stop", warn=lines.append))


def test_the_options_of_predict_apply(tmp_path: Path) -> None:
    write_video(tmp_path / "video.avi", [level_picture(16)] * 2)
    with pytest.raises(hookline.HooklineError, match=r"max_pixels=100 to read it"):
        list(hookline.frames(tmp_path / "video.avi", max_pixels=100))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"stride": 0}, "stride=0 is out of range; possible: integers, 1 or more"),
        ({"limit": 1.5}, "limit=1.5 is out of range"),
        ({"max_pixels": -1}, "max_pixels=-1 is out of range"),
        ({"reconnect": float("nan")}, "reconnect=nan is out of range; possible: 0 or more"),
        ({"on_error": "skp"}, "unknown on_error 'skp'; did you mean skip?"),
        ({"on_error": ["skip"]}, "unknown on_error"),
    ],
)
def test_mistakes_are_raised_by_the_call(folder: Path, options: dict[str, object], problem: str) -> None:
    with pytest.raises(hookline.HooklineError) as caught:
        hookline.frames(folder / "images", **options)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("missing", "no such source 'missing'"),
        ([], "the source is empty"),
        (".", "contains 2 images and 1 video"),
        (["images", "rtsp://localhost/a"], "a stream must be the only source"),
    ],
)
def test_what_is_no_source_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: object, problem: str
) -> None:
    monkeypatch.chdir(folder)
    for function in (hookline.frames, hookline.frame_count, hookline.list_source):
        with pytest.raises(hookline.HooklineError, match=problem):
            function(source)


def test_files_that_are_passed_over_are_reported(folder: Path) -> None:
    (folder / "images" / "x.psd").touch()
    lines: list[str] = []
    assert len(list(hookline.frames(folder / "images", warn=lines.append))) == 2
    assert lines == [f"passed over 1 .psd in '{folder}/images'"]
