from __future__ import annotations

import struct
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.media.reader import frame_count, read_frames, sample_frames, spread_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from tests.media_tools import level_of, level_picture, write_levels, write_pictures, write_video


class Ears:
    """A tolerance and what it was told."""

    def __init__(self, total: int | None = None) -> None:
        self.heard: list[str] = []
        self.tolerance = Tolerance(total, self.heard.append)


def test_pictures_in_order(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["b.png", "a.png", "c/a.png"])
    frames = list(read_frames(list_source(str(tmp_path)), Ears().tolerance))
    assert [(frame.index, frame.name, frame.seconds) for frame in frames] == [
        (0, "a.png", None),
        (1, "b.png", None),
        (2, "c/a.png", None),
    ]


def test_every_frame_of_a_video_in_order(tmp_path: Path) -> None:
    source = list_source(str(write_levels(tmp_path / "x.avi", 30, fps=5)))
    frames = list(read_frames(source, Ears().tolerance))
    assert [level_of(frame.picture) for frame in frames] == list(range(30))
    assert [frame.number for frame in frames] == list(range(30))
    assert frames[3].name == "x.avi#3"
    assert frames[10].seconds == pytest.approx(2.0)
    assert frames[0].rate == 5


def test_stride_and_limit(tmp_path: Path) -> None:
    source = list_source(str(write_levels(tmp_path / "x.avi", 10)))
    frames = read_frames(source, Ears().tolerance, stride=3, limit=3)
    assert [level_of(frame.picture) for frame in frames] == [0, 3, 6]
    assert frame_count(source, stride=3) == 4


def test_several_videos_count_on(tmp_path: Path) -> None:
    write_levels(tmp_path / "a.avi", 4)
    write_levels(tmp_path / "b.avi", 3)
    source = list_source(str(tmp_path))
    frames = list(read_frames(source, Ears().tolerance, stride=2))
    assert [(frame.index, frame.name) for frame in frames] == [
        (0, "a.avi#0"),
        (2, "a.avi#2"),
        (4, "b.avi#0"),
        (6, "b.avi#2"),
    ]
    assert frame_count(source, stride=2) == len(frames)


def test_a_sample_is_seeded_and_in_order(tmp_path: Path) -> None:
    write_levels(tmp_path / "a.avi", 12)
    write_levels(tmp_path / "b.avi", 12)
    source = list_source(str(tmp_path))
    drawn = [[frame.name for frame in sample_frames(source, 6, seed, Ears().tolerance)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 6
    for frame in sample_frames(source, 6, 0, Ears().tolerance):
        assert level_of(frame.picture) == frame.number


def test_a_sample_larger_than_the_source_is_all_of_it(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png"])
    assert [f.name for f in sample_frames(list_source(str(tmp_path)), 9, 0, Ears().tolerance)] == ["a.png", "b.png"]


def test_pictures_that_are_not_drawn_are_not_read(tmp_path: Path) -> None:
    write_pictures(tmp_path, [f"{index}.png" for index in range(10)])
    source = list_source(str(tmp_path))
    drawn = {frame.name for frame in sample_frames(source, 5, 0, Ears().tolerance)}
    for name in set(source.names) - drawn:
        (tmp_path / name).write_bytes(b"")
    assert len(list(sample_frames(source, 5, 0, Ears(5).tolerance))) == 5


@pytest.mark.parametrize(("broken", "accepted"), [(1, True), (2, True), (3, False)])
def test_up_to_five_percent_may_be_unreadable(tmp_path: Path, broken: int, accepted: bool) -> None:
    paths = write_pictures(tmp_path, [f"{index:02}.png" for index in range(40)])
    for path in paths[:broken]:
        path.write_bytes(b"broken")
    ears = Ears(40)
    frames = read_frames(list_source(str(tmp_path)), ears.tolerance)
    if accepted:
        assert len(list(frames)) == 40 - broken
    else:
        with pytest.raises(HooklineError, match=r"3 of 40 files cannot be read: '00.png' \(not an image"):
            list(frames)
    assert ears.heard[0].startswith("skipped '00.png': not an image")
    assert len(ears.tolerance.unreadable) == broken


def test_a_video_that_ends_early_gives_what_it_has(tmp_path: Path) -> None:
    path = write_levels(tmp_path / "x.avi", 60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    ears = Ears()
    frames = list(read_frames(list_source(str(path)), ears.tolerance))
    assert 10 < len(frames) < 60
    assert len(ears.heard) == 1
    assert f"{len(frames)} of 60" in ears.heard[0]


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(HooklineError, match=r"cannot open video '.*x\.mp4'"):
        list(read_frames(list_source(str(tmp_path / "x.mp4")), Ears().tolerance))


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = write_levels(tmp_path / "x.avi", 5)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with pytest.raises(HooklineError, match="has no frames"):
        list(read_frames(list_source(str(path)), Ears().tolerance))


def turned_video(path: Path) -> Path:
    """A 64x48 video, bright at the top left, that asks to be shown a quarter turn clockwise."""
    picture = level_picture(0)
    picture[:24, :32] = 255
    content = bytearray(write_video(path, [picture] * 3).read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    return path


def test_a_turned_video_is_turned(tmp_path: Path) -> None:
    source = list_source(str(turned_video(tmp_path / "x.mp4")))
    frame = next(iter(read_frames(source, Ears().tolerance)))
    assert frame.picture.shape == (64, 48, 3)
    assert frame.picture[10, -10].min() > 200
    assert frame.picture[10, 10].max() < 50
    assert frame.picture[-10, -10].max() < 50


def test_a_stream_cannot_be_sampled() -> None:
    with pytest.raises(HooklineError, match="cannot draw frames from the stream"):
        sample_frames(list_source("rtsp://host/1"), 3, 0, Ears().tolerance)


def test_colours_are_those_of_the_decoder(shared_data: Path) -> None:
    import av
    import numpy as np

    path = shared_data / "video" / "vtest.avi"
    frame = next(iter(read_frames(list_source(str(path)), Ears().tolerance)))
    with av.open(str(path)) as container:
        expected = next(container.decode(video=0)).to_ndarray(format="bgr24")
    np.testing.assert_array_equal(frame.picture, expected)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [5]), (2, [2, 7]), (3, [1, 5, 8]), (10, list(range(10))), (99, list(range(10)))]
)
def test_spread_frames_lie_at_equal_distances(tmp_path: Path, count: int, expected: list[int]) -> None:
    source = list_source(str(write_levels(tmp_path / "a.mp4", 10)))
    found = list(spread_frames(source, count, Tolerance(None, lambda _: None)))
    assert [frame.number for frame in found] == expected
    assert [level_of(frame.picture) for frame in found] == expected
