from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from core.errors import HooklineError
from core.media import stream
from core.media.frame import Frame
from core.media.inbox import BrokenError, Shot
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from tests.support.media_tools import level_of, write_levels

LIVE = list_source("rtsp://host/1")


def tolerance() -> Tolerance:
    return Tolerance(None, pytest.fail)


def shots(count: int, seconds: float) -> Generator[Shot, None, None]:
    for _ in range(count):
        time.sleep(seconds)
        yield Shot(np.zeros((1, 1, 3), np.uint8))
    raise BrokenError("the sender ended the stream")


def test_a_slow_consumer_gets_the_latest_frame_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "connect", lambda *_: shots(40, 0.005))
    seen, taken = tolerance(), []
    for frame in read_frames(LIVE, seen):
        taken.append(frame.index)
        time.sleep(0.03)
    assert taken == sorted(set(taken))
    assert len(taken) < 30
    assert len(taken) + seen.dropped == 40
    assert seen.ended == "the sender ended the stream"


def test_stopping_early_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def endless(*_: object) -> Generator[Shot, None, None]:
        try:
            yield from shots(10_000, 0.001)
        finally:
            closed.append(True)

    monkeypatch.setattr(stream, "connect", endless)
    assert len(list(read_frames(LIVE, tolerance(), limit=3))) == 3
    assert closed == [True]


def test_stride_counts_the_frames_of_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "connect", lambda *_: shots(12, 0.02))
    assert all(frame.index % 3 == 0 for frame in read_frames(LIVE, tolerance(), stride=3))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@contextmanager
def served(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    write_levels(tmp_path / "x.avi", 12)
    with served(tmp_path, Quiet) as server:
        yield f"{server}/x.avi"


def test_a_video_on_a_server_gives_every_frame_once(address: str) -> None:
    frames = read_frames(list_source(address), tolerance(), reconnect=5)
    assert [level_of(frame.picture) for frame in frames] == list(range(12))


def test_a_live_address_is_read_by_the_latest_frame_policy(address: str) -> None:
    seen = tolerance()
    source = replace(list_source(address), address=f"{address}?live")
    assert [frame.index for frame in read_frames(source, seen)][-1] == 11


class Cut(Quiet):
    """States the length of the file and sends two thirds of it."""

    def copyfile(self, source, outputfile) -> None:
        content = source.read()
        outputfile.write(content[: len(content) * 2 // 3])


@pytest.mark.parametrize(
    ("handler", "stored", "message"),
    [
        (Quiet, 2 / 3, r"x\.avi' ends early: \d+ of 60 frames"),
        (Cut, 1, r"x\.avi' (ends early: \d+ of 60 frames|was interrupted)"),
    ],
    ids=["a cut file", "a cut connection"],
)
def test_a_video_on_a_server_that_ends_early_is_an_error_after_its_frames(
    tmp_path: Path, handler: type[Quiet], stored: float, message: str
) -> None:
    path = write_levels(tmp_path / "x.avi", 60)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * stored)])
    with served(tmp_path, handler) as address:
        frames = read_frames(list_source(f"{address}/x.avi"), Tolerance(None, lambda _: None))
        taken: list[Frame] = []
        with pytest.raises(HooklineError, match=message):
            taken.extend(frames)
    assert 10 < len(taken) < 60


def test_nobody_answers() -> None:
    with pytest.raises(HooklineError, match=r"cannot open video 'http://127\.0\.0\.1:9/x'"):
        list(read_frames(list_source("http://127.0.0.1:9/x"), tolerance()))


def test_no_such_camera() -> None:
    with pytest.raises(HooklineError, match="cannot open camera '77'"):
        list(read_frames(list_source("77"), tolerance()))


def test_opencv_4_is_kept_quiet_about_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    monkeypatch.setattr(cv2, "getLogLevel", lambda: 3, raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    with pytest.raises(HooklineError, match="cannot open camera '77'"):
        list(read_frames(list_source("77"), tolerance()))
    assert levels == [0, 3]
