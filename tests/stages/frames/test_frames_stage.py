from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from core.artifacts import ImageList
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS, OnError
from core.media.source import SourceKind, list_source
from stages.frames import check, frames
from stages.frames.config import FramesConfig, Order
from tests.support.media_tools import (
    damage_packets,
    level_of,
    level_picture,
    write_levels,
    write_pictures,
    write_textured,
    write_video,
)
from tests.support.stage_tools import Memory, make_context


def run(folder: Path, source: object, **options: Any) -> tuple[ImageList, Memory]:
    context, memory = make_context(folder / "out")
    return frames(FramesConfig(source=source, max_pixels=MAX_PIXELS, **options), context), memory


def levels(made: ImageList) -> list[int]:
    """The frame numbers of the images, in the order of the list."""
    source = list_source(str(made.path))
    assert source.kind is SourceKind.pictures
    return [level_of(cv2.imread(str(path))) for path in source.files]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 15]),
        ({"every": 7}, [0, 7, 14]),
        ({"every": 1}, list(range(20))),
        ({"count": 1}, [10]),
        ({"count": 4}, [2, 7, 12, 17]),
        ({"count": 3}, [3, 10, 16]),
        ({"count": 99}, list(range(20))),
    ],
)
def test_frames_are_taken(tmp_path: Path, options: dict[str, int], expected: list[int]) -> None:
    video = write_levels(tmp_path / "street 1.mp4", 20)
    made, memory = run(tmp_path, str(video), **options)
    assert levels(made) == expected
    lines = made.path.read_text().splitlines()
    assert lines == [f"images/street 1-{number:06d}.jpg" for number in expected]
    assert made.values == {"pictures": len(expected), "skipped": 0, "damaged": 0, "unreadable": 0}
    assert made.report == (f"{len(expected)} image{'s' * (len(expected) > 1)} written",)
    assert memory.steps == len(expected)


def test_random_frames_depend_on_the_seed_alone(tmp_path: Path) -> None:
    video = write_levels(tmp_path / "street.mp4", 20)
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        context, _ = make_context(tmp_path / str(number))
        config = FramesConfig(source=str(video), max_pixels=MAX_PIXELS, count=6, order=Order.random)
        drawn.append(levels(frames(config, replace(context, seed=seed))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(sorted(set(item)) == item and len(item) == 6 for item in drawn)


def test_the_list_moves_with_its_images(tmp_path: Path) -> None:
    made, _ = run(tmp_path, str(write_levels(tmp_path / "a.mp4", 4)), every=2)
    moved = made.path.parent.rename(tmp_path / "moved")
    assert len(list_source(str(moved / "pictures.txt")).files) == 2


def test_frames_that_changed_too_little_are_skipped(tmp_path: Path) -> None:
    """Against the last one taken: a slow drift counts in the end."""
    shown = [100] * 5 + [104, 108, 112, 116] + [30] * 3
    video = write_video(tmp_path / "a.mp4", map(level_picture, shown))
    made, _memory = run(tmp_path, str(video), every=1, min_change=10)
    assert [line[-10:-4] for line in made.path.read_text().splitlines()] == ["000000", "000007", "000009"]
    assert made.report == ("3 images written, 9 frames with too little change skipped",)


def test_several_videos(tmp_path: Path) -> None:
    for name in ("a/one.mp4", "a/one.avi", "b/two.mp4"):
        write_levels(tmp_path / "set" / name, 4)
    made, _ = run(tmp_path, str(tmp_path / "set"), every=3)
    names = [line.removeprefix("images/") for line in made.path.read_text().splitlines()]
    assert names == [
        "a-one.avi-000000.jpg",
        "a-one.avi-000003.jpg",
        "a-one.mp4-000000.jpg",
        "a-one.mp4-000003.jpg",
        "b-two-000000.jpg",
        "b-two-000003.jpg",
    ]
    spread, _ = run(tmp_path / "spread", str(tmp_path / "set"), count=3)
    assert levels(spread) == [2, 2, 2]


def test_videos_whose_names_fall_together(tmp_path: Path) -> None:
    for name in ("a/b.mp4", "a-b.mp4", "a-b.mp4.avi", "a-b.mp4-2.avi"):
        write_levels(tmp_path / "set" / name, 2)
    made, _ = run(tmp_path, str(tmp_path / "set"), every=2)
    names = [line.removeprefix("images/") for line in made.path.read_text().splitlines()]
    assert len(set(names)) == 4
    assert sorted(names) == sorted(file.name for file in (made.path.parent / "images").iterdir())


def test_quality(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["noise.png"])
    video = write_video(tmp_path / "a.mp4", [cv2.imread(str(tmp_path / "noise.png"))] * 2)
    sizes = []
    for quality in (20, 95):
        made, _ = run(tmp_path / str(quality), str(video), quality=quality)
        sizes.append(sum(file.stat().st_size for file in (made.path.parent / "images").iterdir()))
    assert sizes[0] < 0.6 * sizes[1]


def test_damaged_frames_are_not_written(tmp_path: Path) -> None:
    video = damage_packets(write_textured(tmp_path / "a.avi", 12), [3, 8])
    made, memory = run(tmp_path, str(video), every=1)
    numbers = [int(line[-10:-4]) for line in made.path.read_text().splitlines()]
    assert numbers == [number for number in range(12) if number not in {3, 8}]
    assert made.values == {"pictures": 10, "skipped": 0, "damaged": 2, "unreadable": 0}
    assert made.report == ("10 images written, 2 damaged frames skipped",)
    assert memory.warnings == ["'a.avi' is damaged: errors in 2 of 12 frames (3, 8)"]


@pytest.mark.parametrize("count", [None, 6])
def test_an_unreadable_video_is_skipped(tmp_path: Path, count: int | None) -> None:
    for name in ("a", "c"):
        write_levels(tmp_path / "set" / f"{name}.mp4", 3)
    (tmp_path / "set" / "b.mp4").write_bytes(b"no video")
    made, memory = run(tmp_path, str(tmp_path / "set"), count=count, every=None if count else 1)
    assert made.values["pictures"] == 6
    assert made.values["unreadable"] == 1
    assert memory.warnings[0].startswith("skipped 'b.mp4'")
    with pytest.raises(HooklineError, match=r"1 of 3 files .* frames\.on_error=skip allows any number"):
        run(tmp_path / "stop", str(tmp_path / "set"), on_error=OnError.stop)


def test_the_list_is_right_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the stage, every listed image is whole, and every image is listed."""
    written: list[Path] = []
    replace = os.replace

    def interrupted(source: Path, target: Path) -> None:
        listed = [folder / line for line in (folder / "pictures.txt").read_text().splitlines()]
        assert listed == written
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(target)
        replace(source, target)

    video = write_levels(tmp_path / "a.mp4", 8)
    folder = make_context(tmp_path / "out")[0].workdir
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, str(video), every=1)
    assert len(list_source(str(folder / "pictures.txt")).files) == 3
    assert sorted((folder / "images").iterdir()) == sorted(written)


def test_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(HooklineError, match=r"cannot open video '.*a.mp4'"):
        run(tmp_path, str(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"source": None}, "frames has no source; give source=<video, folder or glob of videos>"),
        ({"source": "b.mp4"}, "no such source 'b.mp4'"),
        ({"source": "a.png"}, "'a.png' contains images; give a video"),
        (
            {"source": "rtsp://host/a"},
            "frames does not read streams, got 'rtsp://host/a'; record it",
        ),
        ({"order": Order.random}, "frames.order=random needs the number of frames; set frames.count=<number>"),
        ({"every": 2, "count": 2}, "both frames.every and frames.count are given; give one of them"),
    ],
)
def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], line: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path, ["a.png"])
    write_levels(tmp_path / "a.mp4", 2)
    assert list(check(FramesConfig(source="a.mp4", max_pixels=MAX_PIXELS))) == []
    (problem,) = check(FramesConfig(max_pixels=MAX_PIXELS, **{"source": "a.mp4"} | options))
    assert line in str(problem)


def test_real_video(tmp_path: Path, shared_data: Path) -> None:
    made, _ = run(tmp_path, str(shared_data / "video" / "vtest.avi"), every=200)
    names = [Path(line).name for line in made.path.read_text().splitlines()]
    assert names == [f"vtest-{number:06d}.jpg" for number in (0, 200, 400, 600)]
    assert cv2.imread(str(made.path.parent / "images" / names[0])).shape == (576, 768, 3)


def test_files_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    write_levels(tmp_path / "in" / "a.avi", 3)
    (tmp_path / "in" / "list.m3u8").touch()
    _, memory = run(tmp_path, str(tmp_path / "in"), every=1)
    assert memory.warnings == [f"passed over 1 .m3u8 (playlists are not opened) in '{tmp_path}/in'"]
