from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from core.errors import HooklineError
from core.media.choices import OnError
from core.media.reader import frame_count, read_frames, sample_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from core.media.video import UnreadableVideoError, count_frames, video_frames
from core.media.video_report import VideoReport

pytestmark = pytest.mark.timeout(20)


def write_video(path: Path, sizes: list[tuple[int, int]], frames: int = 5) -> Path:
    """An MPEG transport stream with frames of several sizes, or another container with one size."""
    form = "mpegts" if path.suffix == ".ts" else None
    parts = []
    for number, (width, height) in enumerate(sizes):
        part = path.with_name(f"{path.stem}-{number}{path.suffix}")
        with av.open(str(part), "w", format=form) as container:
            stream = container.add_stream("mpeg2video" if form else "mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(frames):
                black = np.zeros((height, width, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(black, format="bgr24")))
            container.mux(stream.encode(None))
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    return path


def everything(_number: int) -> bool:
    return True


def test_the_size_in_the_header(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [(320, 240)])
    assert len(list(video_frames(path, everything, VideoReport(), 76_800))) == 5
    with pytest.raises(UnreadableVideoError, match=r"320 x 240 = 76,800 pixels; raise max_pixels=76799 to read it"):
        list(video_frames(path, everything, VideoReport(), 76_799))


def test_a_size_that_grows_on_the_way(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [(320, 240), (1280, 960)])
    assert {image.shape[1] for _, image, *_ in video_frames(path, everything, VideoReport())} == {320, 1280}
    report = VideoReport()
    shapes = {image.shape[1] for _, image, *_ in video_frames(path, everything, report, 100_000)}
    assert shapes == {320}
    assert report.lost


def test_frames_of_every_way_in_obey_the_limit(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [(320, 240)])
    write_video(tmp_path / "b.mp4", [(64, 48)])
    source, warned = list_source(str(tmp_path)), list[str]()
    tolerance = Tolerance(2, warned.append, OnError.skip, max_pixels=10_000)
    assert {frame.name for frame in read_frames(source, tolerance)} == {f"b.mp4#{number}" for number in range(5)}
    assert "max_pixels=10000" in warned[0]
    with pytest.raises(HooklineError, match="max_pixels=10000"):
        list(sample_frames(list_source(str(tmp_path / "a.mp4")), 2, 0, tolerance))


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def playlist_of_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("other.ts"))
    path.write_text("ffconcat version 1.0\nfile other.ts\n", encoding="utf-8")


def playlist_of_a_video(path: Path) -> None:
    write_video(path.with_name("other.ts"), [(64, 48)])
    path.write_text("ffconcat version 1.0\nfile other.ts\n", encoding="utf-8")


def stream_of_segments(path: Path) -> None:
    write_video(path.with_name("other.ts"), [(64, 48)])
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n", encoding="utf-8")


@pytest.mark.parametrize("make", [fifo, device, playlist_of_a_fifo, playlist_of_a_video, stream_of_segments])
def test_only_the_file_itself_is_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises(UnreadableVideoError, match=r"cannot open video"):
        count_frames(path)


def test_an_animation_is_read_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=32x32:rate=50:duration=20", str(path)]
    subprocess.run(command, check=True)
    source = list_source(str(path))
    assert frame_count(source) == 1000
    frames = read_frames(source, Tolerance(1, print), stride=100)
    assert [frame.number for frame in frames] == list(range(0, 1000, 100))
