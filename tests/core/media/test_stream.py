from __future__ import annotations

import time
from collections.abc import Iterator
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
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from tests.media_tools import level_of, write_levels

LIVE = list_source("rtsp://host/1")


def camera(count: int, seconds: float, broken: bool = False) -> Iterator[Frame]:
    for index in range(count):
        time.sleep(seconds)
        yield Frame(index, str(index), None, index, np.zeros((1, 1, 3), np.uint8))
    if broken:
        raise HooklineError("the stream broke off")


def tolerance() -> Tolerance:
    return Tolerance(None, pytest.fail)


def test_a_slow_consumer_gets_the_latest_frame_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_network", lambda _: camera(40, 0.005))
    seen, taken = tolerance(), []
    for frame in read_frames(LIVE, seen):
        taken.append(frame.index)
        time.sleep(0.03)
    assert taken == sorted(set(taken))
    assert len(taken) < 30
    assert len(taken) + seen.dropped == 40


def test_stopping_early_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def endless(_: object) -> Iterator[Frame]:
        try:
            yield from camera(10_000, 0.001)
        finally:
            closed.append(True)

    monkeypatch.setattr(stream, "_network", endless)
    assert len(list(read_frames(LIVE, tolerance(), limit=3))) == 3
    assert closed == [True]


def test_an_error_of_the_stream_reaches_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_network", lambda _: camera(2, 0.0, broken=True))
    with pytest.raises(HooklineError, match="broke off"):
        list(read_frames(LIVE, tolerance()))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    write_levels(tmp_path / "x.avi", 12)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/x.avi"
        server.shutdown()


def test_a_video_on_a_server_gives_every_frame(address: str) -> None:
    frames = read_frames(list_source(address), tolerance())
    assert [level_of(frame.picture) for frame in frames] == list(range(12))


def test_a_live_address_is_read_by_the_latest_frame_policy(address: str) -> None:
    seen = tolerance()
    source = replace(list_source(address), address=f"{address}?live")
    assert [frame.index for frame in read_frames(source, seen)][-1] == 11


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
