from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from core.errors import HooklineError
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from stages.predict import video_writer
from stages.predict.video_writer import VideoOptions, VideoWriter, choose_codec
from tests.support.disk_tools import small_disk
from tests.support.media_tools import level_of, level_picture


def written(path: Path, codec: str, count: int = 25, size: tuple[int, int] = (48, 64), rate: float = 10.0) -> Path:
    writer = VideoWriter(path, rate, VideoOptions(codec))
    for index in range(count):
        writer.write(level_picture(16 + 8 * index, *size), index / rate)
    writer.close()
    return path


@pytest.fixture(scope="module")
def codec() -> str:
    return choose_codec("auto", lambda _: None)


@pytest.mark.parametrize("rate", [10.0, 25.0, 30000 / 1001])
def test_round_trip(tmp_path: Path, codec: str, rate: float) -> None:
    source = list_source(str(written(tmp_path / "x.mp4", codec, rate=rate)))
    frames = list(read_frames(source, Tolerance(None, pytest.fail)))
    assert [level_of(frame.picture) for frame in frames] == list(range(25))
    assert frames[0].rate == pytest.approx(rate, rel=1e-4)
    assert frames[10].seconds == pytest.approx(10 / rate, abs=1e-3)


def test_is_h264_in_mp4_that_plays_everywhere(tmp_path: Path) -> None:
    if choose_codec("auto", lambda _: None) != "libx264":
        pytest.skip("this build of PyAV has no libx264")
    with av.open(str(written(tmp_path / "x.mp4", "libx264"))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(10)
    content = (tmp_path / "x.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(("size", "even"), [((47, 63), (48, 64)), ((1, 1), (2, 2)), ((48, 64), (48, 64))])
def test_odd_sides_get_one_more_pixel(tmp_path: Path, codec: str, size: tuple[int, int], even: tuple[int, int]) -> None:
    source = list_source(str(written(tmp_path / "x.mp4", codec, count=3, size=size)))
    (first, *_) = read_frames(source, Tolerance(None, pytest.fail))
    assert first.picture.shape[:2] == even


def test_varying_time_is_kept(tmp_path: Path, codec: str) -> None:
    times = [0.0, 0.1, 0.15, 0.15, 0.9]
    writer = VideoWriter(tmp_path / "x.mp4", 10.0, VideoOptions(codec))
    for index, seconds in enumerate(times):
        writer.write(level_picture(16 + 8 * index), seconds)
    writer.close()
    frames = list(read_frames(list_source(str(tmp_path / "x.mp4")), Tolerance(None, pytest.fail)))
    assert [frame.seconds for frame in frames] == pytest.approx(times, abs=1e-3)


def test_a_frame_of_another_size_is_fitted(tmp_path: Path, codec: str) -> None:
    writer = VideoWriter(tmp_path / "x.mp4", 10.0, VideoOptions(codec))
    writer.write(level_picture(16, 48, 64), 0.0)
    writer.write(level_picture(24, 100, 30), 0.1)
    writer.close()
    frames = list(read_frames(list_source(str(tmp_path / "x.mp4")), Tolerance(None, pytest.fail)))
    assert [level_of(frame.picture) for frame in frames] == [0, 1]


def test_the_other_codec_is_a_fallback_that_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer, "PREFERRED", "libx264_not_here")
    heard: list[str] = []
    assert choose_codec("auto", heard.append) == "mpeg4"
    assert "no libx264_not_here" in heard[0]
    source = list_source(str(written(tmp_path / "x.mp4", "mpeg4")))
    assert len(list(read_frames(source, Tolerance(None, pytest.fail)))) == 25


def test_a_codec_asked_for_is_never_replaced() -> None:
    with pytest.raises(HooklineError, match="no video encoder 'h265x'"):
        choose_codec("h265x", pytest.fail)


def frames_of(video: Path) -> list[int]:
    return [level_of(frame.picture) for frame in read_frames(list_source(str(video)), Tolerance(None, lambda _: None))]


def test_an_abandoned_file_holds_every_frame(tmp_path: Path, codec: str) -> None:
    writer = VideoWriter(tmp_path / "x.mp4", 10.0, VideoOptions(codec))
    for index in range(25):
        writer.write(level_picture(16 + 8 * index), index / 10)
    writer.abandon()
    assert frames_of(tmp_path / "x.mp4") == list(range(25))
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_a_file_that_was_never_ended_plays_up_to_the_last_second(tmp_path: Path, codec: str) -> None:
    writer = VideoWriter(tmp_path / "x.mp4", 10.0, VideoOptions(codec))
    for index in range(100):
        writer.write(level_picture(16 + 8 * (index % 28)), index / 10)
    content = (tmp_path / "x.mp4").read_bytes()  # as a killed process leaves it
    (tmp_path / "killed.mp4").write_bytes(content)
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 3 // 4])
    writer.abandon()
    killed, cut = frames_of(tmp_path / "killed.mp4"), frames_of(tmp_path / "cut.mp4")
    assert len(killed) >= 40  # the encoder itself holds back frames: up to 40 of libx264
    assert killed == [index % 28 for index in range(len(killed))]
    assert 0 < len(cut) <= len(killed)


@pytest.mark.parametrize("lost", [True, False])
def test_frames_that_the_last_write_lost_are_noticed(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    finish = VideoWriter._finish

    def cut(writer: VideoWriter) -> None:
        finish(writer)
        if lost:
            content = (tmp_path / "x.mp4").read_bytes()
            (tmp_path / "x.mp4").write_bytes(content[: content.rindex(b"moof")])

    monkeypatch.setattr(VideoWriter, "_finish", cut)
    for end in (VideoWriter.close, VideoWriter.abandon):
        writer = VideoWriter(tmp_path / "x.mp4", 10.0, VideoOptions(codec))
        for index in range(60):
            writer.write(level_picture(16 + 8 * (index % 28)), index / 10)
        if lost and end is VideoWriter.close:
            with pytest.raises(OSError, match="space"):
                end(writer)
        else:
            assert end(writer) in (None, not lost)


def test_a_full_disk_leaves_what_was_written(tmp_path: Path, codec: str) -> None:
    with small_disk(tmp_path / "disk", 96 << 10) as disk:
        writer = VideoWriter(disk / "x.mp4", 10.0, VideoOptions(codec, crf=0))
        noise = np.random.default_rng(0)

        def fill() -> None:
            for index in range(1000):
                writer.write(noise.integers(0, 256, (96, 128, 3), dtype=np.uint8), index / 10)

        with pytest.raises(OSError, match="space"):
            fill()
        writer.abandon()
        assert len(frames_of(disk / "x.mp4")) > 0
