from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import HooklineError
from core.media import live, stream
from core.media.ahead import ahead
from core.media.inbox import BrokenError, Shot
from core.media.live import SILENT_SECONDS, WAITS, Waits, live_frames
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.stream import OPEN_SECONDS, connect
from core.media.tolerance import Tolerance
from tests.support.media_tools import level_picture, write_video

FAST = Waits(silent=0.4, first=0.6, delay=0.02, longest=0.1)


class Sender:
    """Plays one script per connection: int is a number of frames, str an interruption, float seconds of silence."""

    def __init__(self, *scripts: list[object]) -> None:
        self.scripts, self.opened, self.closed = list(scripts), 0, 0

    def __call__(self) -> Generator[Shot, None, None]:
        script = self.scripts.pop(0) if self.scripts else [HooklineError("cannot open it")]
        self.opened += 1
        try:
            for item in script:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, float):
                    time.sleep(item)
                else:
                    count, size = item if isinstance(item, tuple) else (item, 8)
                    for _ in range(count):
                        yield Shot(np.zeros((size, size, 3), np.uint8))
                        time.sleep(0.01)
        finally:
            self.closed += 1


EOF = BrokenError("the sender ended the stream")
REFUSED = HooklineError("cannot open it")


def watch(sender: Sender, reconnect: float = 1.0, waits: Waits = FAST) -> tuple[list, Tolerance, list[str]]:
    heard: list[str] = []
    tolerance = Tolerance(None, heard.append)
    return list(live_frames(sender, "cam", tolerance, reconnect, waits)), tolerance, heard


def test_frames_go_on_after_a_gap() -> None:
    frames, tolerance, heard = watch(Sender([5, EOF], [REFUSED], [REFUSED], [5, EOF]))
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert len(frames) + tolerance.dropped == 10
    first, last = tolerance.gaps
    assert (first.after, first.reason, first.attempts) == (4, "the sender ended the stream", 3)
    assert first.ended is not None
    assert 0 < first.began < first.ended < frames[-1].seconds
    assert datetime.fromisoformat(first.at).tzinfo is not None
    assert abs(datetime.fromisoformat(first.at).timestamp() - time.time()) < 10
    assert (last.after, last.ended) == (9, None)
    assert (
        heard[0]
        == "the stream 'cam' was interrupted (the sender ended the stream) after 5 frames; reconnecting for up to 1 s"
    )
    assert heard[1].startswith("the stream 'cam' is back after 0.")
    assert len(heard) == 3
    assert tolerance.ended == "the sender did not come back within 1 s (predict.reconnect=1)"


def test_without_reconnection_the_first_break_is_the_end() -> None:
    sender = Sender([3, BrokenError("Connection reset by peer")])
    frames, tolerance, heard = watch(sender, reconnect=0)
    assert len(frames) + tolerance.dropped == 3
    assert tolerance.ended == "Connection reset by peer"
    assert heard == []
    assert sender.opened == 1
    assert tolerance.gaps[0].attempts == 0


def test_the_window_counts_from_the_last_frame() -> None:
    begin = time.monotonic()
    _, tolerance, _ = watch(Sender([1, EOF]), reconnect=0.5)
    assert 0.4 < time.monotonic() - begin < 1
    assert tolerance.gaps[0].attempts >= 4
    assert not any(thread.name == "stream" for thread in threading.enumerate())


def test_a_silent_sender_is_noticed_and_left() -> None:
    begin = time.monotonic()
    frames, tolerance, _ = watch(Sender([3, 2.0, 50], [3, EOF]), reconnect=0.7)
    assert len(frames) + tolerance.dropped == 6
    assert tolerance.gaps[0].reason == "no frame for 0.4 s"
    assert time.monotonic() - begin < 2


def test_a_sender_that_accepts_and_says_nothing_does_not_outlast_the_window() -> None:
    begin = time.monotonic()
    _, tolerance, _ = watch(Sender([3, EOF], [5.0], [5.0], [5.0]), reconnect=0.5)
    assert time.monotonic() - begin < 1
    assert tolerance.ended


def test_an_abandoned_connection_that_wakes_up_delivers_nothing() -> None:
    sender = Sender([(3, 8), 0.8, (30, 16), EOF], [(60, 32), EOF])
    frames, tolerance, _ = watch(sender, reconnect=0.7)
    assert {frame.picture.shape[0] for frame in frames} == {8, 32}
    assert len(frames) + tolerance.dropped == 63


def test_the_delay_doubles_up_to_half_of_the_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [110.0], []

    def paused(seconds: float) -> bool:
        pauses.append(round(seconds, 2))
        now[0] += seconds
        return True

    monkeypatch.setattr(live, "_paused", paused)
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    inbox = SimpleNamespace(last=100.0, seconds=7.0, received=8)  # noticed 10 s after the last frame
    outage = live._Outage("cam", inbox, Tolerance(None, lambda _: None), 50.0, Waits())
    outage.begin("silence")
    assert outage.deadline == 150
    while outage.wait():
        pass
    assert pauses[:6] == [0.5, 1, 2, 4, 8, 8]
    assert pauses[6:8] == [8, 4.25]
    assert sum(pauses) == pytest.approx(40, abs=0.1)
    assert min(pauses[:-1]) >= 0.5


def test_a_connection_without_frames_does_not_reset_the_delay_or_the_gap() -> None:
    sender = Sender([1, EOF], *([[EOF]] * 4), [1, EOF])
    _, tolerance, heard = watch(sender, reconnect=0.6)
    assert tolerance.gaps[0].attempts == 5
    assert len(heard) == 3
    assert len(tolerance.gaps) == 2


@pytest.mark.parametrize(
    ("script", "message"),
    [([REFUSED], "cannot open it"), ([EOF], "'cam' sent no frames .the sender ended"), ([5.0], "no frame for 0.6 s")],
)
def test_a_source_that_never_gave_a_frame_is_an_error_at_once(script: list[object], message: str) -> None:
    with pytest.raises(HooklineError, match=message):
        watch(Sender(script), reconnect=30)


def test_a_bug_is_not_taken_for_a_break() -> None:
    with pytest.raises(ZeroDivisionError):
        watch(Sender([2, ZeroDivisionError()]))


def test_the_size_may_change() -> None:
    frames, _, _ = watch(Sender([(3, 8), (3, 16), EOF], [(3, 32), EOF]), reconnect=0.3)
    assert {frame.picture.shape[0] for frame in frames} >= {16, 32}


@pytest.mark.parametrize("script", [[1, EOF], [1, 30.0]], ids=["back-off", "silence"])
def test_leaving_while_nothing_comes_is_prompt(script: list[object]) -> None:
    """As Ctrl-C does: the block is left while the thread that works ahead waits for a frame."""
    slow = Waits(silent=30, first=30, delay=30)
    with ahead(live_frames(Sender(script), "cam", Tolerance(None, lambda _: None), 60, slow)) as frames:
        next(frames)
        time.sleep(0.1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 0.2


def test_corrupt_frames_are_flagged_and_counted() -> None:
    def corrupt() -> Generator[Shot, None, None]:
        yield Shot(np.zeros((8, 8, 3), np.uint8), corrupt=True)
        raise EOF

    tolerance = Tolerance(None, pytest.fail)
    (frame,) = live_frames(corrupt, "cam", tolerance, 0)
    assert frame.damaged
    assert tolerance.damaged_frames == 1


@contextmanager
def listener(serve: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """A server that hands each connection with its number to ``serve``."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            number = 0
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    serve(connection, number)
                number += 1

        threading.Thread(target=accept, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def transport_stream(folder: Path, size: int, count: int = 30) -> bytes:
    path = write_video(folder / f"{size}.ts", [level_picture(100, size, size)] * count, codec="mpeg2video")
    return path.read_bytes()


def test_a_sender_on_a_socket_that_comes_back_with_another_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [transport_stream(tmp_path, size) for size in (64, 128)]

    def serve(connection: socket.socket, number: int) -> None:
        if number < 2:
            connection.sendall(contents[number])
            time.sleep(0.2)

    heard: list[str] = []
    tolerance = Tolerance(None, heard.append)
    with listener(serve) as address:
        frames = list(live_frames(lambda: connect(address), address, tolerance, 2.0, Waits(delay=0.05)))
    assert {frame.picture.shape[:2] for frame in frames} == {(64, 64), (128, 128)}
    assert len(frames) + tolerance.dropped == 60
    assert [gap.after for gap in tolerance.gaps] == [29, 59]
    assert len(heard) == 3


def test_a_socket_that_falls_silent(tmp_path: Path) -> None:
    content, quiet = transport_stream(tmp_path, 64, count=120), threading.Event()  # probing takes 5 s of video

    def serve(connection: socket.socket, number: int) -> None:
        connection.sendall(content[: len(content) * 2 // 3])
        quiet.wait(20)

    tolerance = Tolerance(None, lambda _: None)
    begin = time.monotonic()
    with listener(serve) as address:
        frames = list(live_frames(lambda: connect(address), address, tolerance, 0, Waits(silent=0.5)))
    quiet.set()
    assert frames
    assert tolerance.ended == "no frame for 0.5 s"
    assert time.monotonic() - begin < 8


def test_the_option_reaches_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender([2, EOF])
    monkeypatch.setattr(stream, "connect", lambda *_: sender())
    tolerance = Tolerance(None, lambda _: None)
    assert list(read_frames(list_source("rtsp://host/1"), tolerance, reconnect=0.1))
    assert tolerance.ended.endswith("within 0.1 s (predict.reconnect=0.1)")


def test_the_document_states_the_times(repo_root: Path) -> None:
    text = (repo_root / "docs" / "sources.md").read_text(encoding="utf-8")
    assert f"no frame arrives for {SILENT_SECONDS:g} s" in text
    assert f"first attempt after {WAITS.delay:g} s" in text
    assert f"up to {WAITS.longest:g} s" in text
    assert f"takes up to {OPEN_SECONDS:g} s" in text
