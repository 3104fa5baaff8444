from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.media.choices import OnError
from core.media.frame import Frame
from core.media.reader import frame_count, read_frames, sample_frames, spread_frames
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from core.media.video_report import VideoReport
from tests.support.media_tools import (
    damage_packets,
    level_of,
    level_picture,
    write_levels,
    write_pictures,
    write_textured,
    write_video,
)


class Ears:
    """A tolerance and its warnings."""

    def __init__(self, total: int | None = None) -> None:
        self.heard: list[str] = []
        self.tolerance = Tolerance(total, self.heard.append)


def test_images_in_order(tmp_path: Path) -> None:
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


def test_images_that_are_not_drawn_are_not_read(tmp_path: Path) -> None:
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


def test_a_truncated_video_yields_its_frames(tmp_path: Path) -> None:
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


def audio_only(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def without_frames(path: Path) -> None:
    content = write_levels(path.with_suffix(".avi"), 5).read_bytes()
    path.with_suffix(".avi").unlink()
    path.write_bytes(content[: content.index(b"movi") + 4])


def truncated(path: Path) -> None:
    """Without the moov box, which is at the end."""
    path.write_bytes(write_levels(path, 5).read_bytes()[:-900])


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "cannot be opened"),
    "text": (lambda path: path.write_text("this is text"), "cannot be opened"),
    "no moov": (truncated, "cannot be opened"),
    "no frames": (without_frames, "has no frames that can be decoded"),
    "no video track": (audio_only, "has no video track"),
}
READERS: dict[str, Callable[[Source, Tolerance], Iterator[Frame]]] = {
    "read": read_frames,
    "sample": lambda source, tolerance: sample_frames(source, 99, 0, tolerance),
    "spread": lambda source, tolerance: spread_frames(source, 99, tolerance),
}


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_video_among_good_ones_is_skipped_and_named(tmp_path: Path, fault: str, way: str) -> None:
    make, reason = UNREADABLE[fault]
    for name in ("a", "c"):
        write_levels(tmp_path / f"{name}.mp4", 4)
    make(tmp_path / "b.mp4")
    source, ears = list_source(str(tmp_path)), Ears(3)
    frames = list(READERS[way](source, ears.tolerance))
    assert {frame.name for frame in frames} == {f"{name}.mp4#{number}" for name in "ac" for number in range(4)}
    assert [(item.name, reason in item.reason) for item in ears.tolerance.unreadable] == [("b.mp4", True)]
    assert ears.heard[0].startswith("skipped 'b.mp4': ")


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_source_without_a_readable_video_is_an_error(tmp_path: Path, fault: str) -> None:
    make, reason = UNREADABLE[fault]
    make(tmp_path / "a.mp4")
    with pytest.raises(HooklineError, match=r"a\.mp4.*check that it plays elsewhere|has no video track"):
        list(read_frames(list_source(str(tmp_path)), Tolerance(1, lambda _: None, OnError.skip)))
    make(tmp_path / "b.mp4")
    tolerance = Tolerance(2, lambda _: None, OnError.skip)
    with pytest.raises(HooklineError, match=r"2 of 2 files cannot be read: 'a\.mp4' \(" + reason):
        list(read_frames(list_source(str(tmp_path)), tolerance))


def test_an_unreadable_video_counts_no_frames(tmp_path: Path) -> None:
    write_levels(tmp_path / "a.mp4", 4)
    (tmp_path / "b.mp4").write_text("this is text")
    assert frame_count(list_source(str(tmp_path))) == 4


@pytest.mark.parametrize("broken", [3, 9])
def test_the_rules_for_unreadable_files(tmp_path: Path, broken: int) -> None:
    for path in write_pictures(tmp_path, [f"{index:02}.png" for index in range(20)])[:broken]:
        path.write_bytes(b"broken")
    source = list_source(str(tmp_path))
    skipping = Tolerance(20, lambda _: None, OnError.skip)
    assert len(list(read_frames(source, skipping))) == 20 - broken
    with pytest.raises(HooklineError, match=r"2 of 20 files .* x\.on_error=skip allows any number"):
        list(read_frames(source, Tolerance(20, lambda _: None, option="x.on_error")))
    with pytest.raises(HooklineError, match="1 of 20 files"):
        list(read_frames(source, Tolerance(20, lambda _: None, OnError.stop)))


def test_only_the_first_files_are_named_and_the_rest_counted() -> None:
    ears = Ears()
    for index in range(25):
        ears.tolerance.damage(f"{index}.jpg", "odd")
        ears.tolerance.damage(f"{index}.jpg", "odd again")
    ears.tolerance.conclude()
    assert len(ears.heard) == 11
    assert ears.heard[-1] == "15 more files with damage"


def test_finished_files_are_not_read_again(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_levels(tmp_path / f"{name}.mp4", 5)
    source = list_source(str(tmp_path))
    whole = [(frame.index, frame.name) for frame in read_frames(source, Ears().tolerance, stride=2)]
    (tmp_path / "a.mp4").touch()
    rest = read_frames(source, Ears().tolerance, stride=2, finished={"b.mp4": 10})
    assert [(frame.index, frame.name) for frame in rest] == [item for item in whole if "b.mp4" not in item[1]]
    assert list(read_frames(source, Ears().tolerance, finished=dict.fromkeys(source.names, 15))) == []


def test_finished_images_are_not_read_again(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png", "c.png"])[1].write_bytes(b"gone bad since")
    source = list_source(str(tmp_path))
    frames = list(read_frames(source, Ears(3).tolerance, finished={"b.png": 2}))
    assert [(frame.index, frame.name) for frame in frames] == [(0, "a.png"), (2, "c.png")]
    only_bad = Tolerance(3, lambda _: None)
    assert list(read_frames(source, only_bad, finished={"a.png": 1, "c.png": 3})) == []
    assert [item.name for item in only_bad.unreadable] == ["b.png"]


@pytest.mark.parametrize(
    ("name", "codec"), [("x.avi", "mpeg4"), ("x.ts", "mpeg2video"), ("x.mp4", "mpeg4"), ("x.mp4", "libx264")]
)
def test_corrupt_frames_are_given_flagged_counted_and_named_once(tmp_path: Path, name: str, codec: str) -> None:
    damage_packets(write_textured(tmp_path / name, 30, codec), [6, 12, 13])
    write_textured(tmp_path / "y.avi", 6)
    ears = Ears()
    frames = list(read_frames(list_source(str(tmp_path)), ears.tolerance))
    assert len(frames) == 36
    flagged = [frame.number for frame in frames if frame.damaged]
    assert len(flagged) == ears.tolerance.damaged_frames == 3
    runs = f"{flagged[0]}, {flagged[1]}-{flagged[2]}"
    (line,) = ears.heard
    assert line.startswith(f"'{name}' is damaged: errors in 3 of 30 frames ({runs})")
    assert ears.tolerance.damaged == {name: line.removeprefix(f"'{name}' is damaged: ")}


def test_damage_is_reported_with_a_limit_too(tmp_path: Path) -> None:
    source = list_source(str(damage_packets(write_textured(tmp_path / "x.avi", 30), [3])))
    ears = Ears()
    frames = read_frames(source, ears.tolerance, limit=10)
    assert sum(1 for _ in frames) == 10
    assert ears.tolerance.damaged_frames == 1
    assert len(ears.heard) == 1


def test_zeroed_packets_and_missing_frames_are_counted(tmp_path: Path) -> None:
    import av

    path = write_textured(tmp_path / "x.mp4", 30)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for position, size in packets[10:14]:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    ears = Ears()
    frames = list(read_frames(list_source(str(path)), ears.tolerance))
    (line,) = ears.heard
    assert line.startswith(
        f"'x.mp4' is damaged: {len(frames)} of 30 frames could be read; 4 packets could not be decoded"
    )


def test_missing_parts_of_a_container_without_a_frame_count_are_reported(tmp_path: Path) -> None:
    path = write_textured(tmp_path / "x.ts", 30, "libx264")
    content = path.read_bytes()
    half = len(content) // 2 // 188 * 188
    path.write_bytes(content[:half] + content[half + 20 * 188 :])
    ears = Ears()
    assert 20 < len(list(read_frames(list_source(str(path)), ears.tolerance))) < 30
    (line,) = ears.heard
    assert line.startswith("'x.ts' is damaged: ")


@pytest.mark.parametrize(
    ("numbers", "text"), [([3], "3"), ([1, 2, 3, 7], "1-3, 7"), (list(range(0, 20, 2)), "0, 2, 4, 6, ...")]
)
def test_runs_of_frames(numbers: list[int], text: str) -> None:
    assert VideoReport(read=50, corrupt=numbers).damage().endswith(f"({text})")


def test_libav_writes_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, codec in (("a.mp4", "libx264"), ("b.ts", "mpeg2video"), ("c.avi", "mpeg4")):
        damage_packets(write_textured(tmp_path / name, 20, codec), range(2, 18))
    (tmp_path / "d.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:3000])
    list(read_frames(list_source(str(tmp_path)), Tolerance(4, lambda _: None)))
    assert capfd.readouterr() == ("", "")


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
    with pytest.raises(HooklineError, match="cannot sample frames of the stream"):
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


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.3g2", "mpeg4"),
        ("a.ivf", "libvpx"),
        ("a.m2v", "mpeg2video"),
        ("a.mjpg", "mjpeg -f mjpeg"),
        ("a.mxf", "mpeg2video"),
        ("a.ogv", "libtheora"),
        ("a.vob", "mpeg2video"),
        ("a.264", "libx264 -f h264"),
        ("A.H264", "libx264 -f h264"),
        ("a.h265", "libx265 -f hevc"),
        ("a.hevc", "libx265"),
        ("A.Y4M", "wrapped_avframe -f yuv4mpegpipe"),
    ],
)
def test_more_formats_of_video(tmp_path: Path, name: str, codec: str) -> None:
    clip = "testsrc=size=64x48:rate=25:duration=0.4"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", clip, "-pix_fmt", "yuv420p", "-c:v", *codec.split()]
    if subprocess.run([*command, str(tmp_path / name)], check=False, capture_output=True).returncode:
        pytest.skip(f"this FFmpeg does not write {name}")
    source, ears = list_source(str(tmp_path)), Ears()
    frames = list(read_frames(source, ears.tolerance))
    assert (len(frames), frame_count(source), ears.heard) == (10, 10, [])
    assert [frame.number for frame in frames] == list(range(10))
    assert frames[-1].seconds is not None
    assert frames[-1].picture.shape == (48, 64, 3)
