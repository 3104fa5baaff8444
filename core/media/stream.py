"""Frames of cameras and network streams. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from core.media.frame import Frame
from core.media.source import Source
from core.media.tolerance import Tolerance
from core.media.video import Converter, frame_rate, open_video, reason

OPEN_SECONDS, READ_SECONDS = 20.0, 10.0
SILENT = 0
"""``LOG_LEVEL_SILENT`` of OpenCV."""


def stream_frames(source: Source, tolerance: Tolerance, stride: int, reconnect: float) -> Iterator[Frame]:
    """Frames until the stream ends; live ones by the latest-frame policy.

    A live stream is read by a thread that keeps only the newest frame. What was overwritten before
    it was taken is counted in ``tolerance.dropped``. A video on a server gives every frame instead.
    """
    frames = _camera(source) if "://" not in source.address else _network(source)
    if not source.live:
        yield from _strided(frames, stride)
        return
    with _latest(frames, tolerance) as slot:
        yield from _strided(slot.frames(), stride)


def _strided(frames: Iterator[Frame], stride: int) -> Iterator[Frame]:
    return (frame for frame in frames if frame.index % stride == 0)


class _Slot:
    """Holds the newest frame of a producing thread."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None

    def fill(self, frames: Generator[Frame, None, None]) -> None:
        try:
            with closing(frames):  # the camera is given back now, not when the garbage is collected
                for frame in frames:
                    if not self._put(frame):
                        break
        except BaseException as error:
            self._error = error
        finally:
            self.end()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def frames(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                frame, self._newest = self._newest, None
            if frame is None:
                break
            yield frame
        if self._error:
            raise self._error

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self._tolerance.dropped += self._newest is not None
            self._newest = frame
            self._changed.notify_all()
            return not self._ended


@contextmanager
def _latest(frames: Generator[Frame, None, None], tolerance: Tolerance) -> Iterator[_Slot]:
    slot = _Slot(tolerance)
    thread = threading.Thread(target=slot.fill, args=(frames,), name="stream", daemon=True)
    thread.start()
    try:
        yield slot
    finally:
        slot.end()
        thread.join(timeout=READ_SECONDS)


def _network(source: Source) -> Generator[Frame, None, None]:
    options = {"rtsp_transport": "tcp"} if source.address.startswith("rtsp") else {}
    container, stream = open_video(source.address, options=options, timeout=(OPEN_SECONDS, READ_SECONDS))
    convert, rate, begin = Converter(), frame_rate(stream), time.monotonic()
    with container as opened:
        try:
            for index, frame in enumerate(opened.decode(stream)):
                yield _frame(index, convert(frame), time.monotonic() - begin, rate)
        except av.error.FFmpegError as error:
            raise HooklineError(f"stream '{source.text}' broke off ({reason(error)})", "check the sender") from error


def _camera(source: Source) -> Generator[Frame, None, None]:
    device: int | str = int(source.address) if source.address.isdecimal() else source.address
    camera = _quietly_opened(device)
    if not camera.isOpened():
        raise HooklineError(f"cannot open camera '{source.text}'", "check that it is plugged in and not in use")
    try:
        rate, begin, index = camera.get(cv2.CAP_PROP_FPS) or None, time.monotonic(), 0
        good, picture = camera.read()
        while good:
            yield _frame(index, picture, time.monotonic() - begin, rate)
            index += 1
            good, picture = camera.read()
    finally:
        camera.release()


def _quietly_opened(device: int | str) -> cv2.VideoCapture:
    """OpenCV writes pages about a camera that is not there; our one line says it."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the two functions at its top
    level = log.getLogLevel()
    log.setLogLevel(SILENT)
    try:
        return cv2.VideoCapture(device)
    finally:
        log.setLogLevel(level)


def _frame(index: int, picture: NDArray[np.uint8], seconds: float, rate: float | None) -> Frame:
    return Frame(index, f"stream#{index}", None, index, picture, seconds, rate)
