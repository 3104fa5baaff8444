"""Read cameras and network streams. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av.error
import cv2

from core.errors import HooklineError, counted
from core.media.choices import MAX_PIXELS
from core.media.frame import CORRUPT, Frame
from core.media.inbox import BrokenError, Shot
from core.media.live import live_frames
from core.media.source import Source
from core.media.tolerance import Tolerance
from core.media.video import Converter, decoded, frame_rate, open_video
from core.media.video_report import VideoReport, reason, record
from core.reporting import ignore

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

OPEN_SECONDS = 20.0
"""Timeout for opening a network stream."""
READ_SECONDS = 11.0
"""Timeout for reading from a network stream: longer than ``SILENT_SECONDS``, which takes effect first."""
SILENT = 0
"""``LOG_LEVEL_SILENT`` of OpenCV."""


def connect(address: str, max_pixels: int = MAX_PIXELS) -> Generator[Shot, None, None]:
    """Yield the frames of one connection until it ends with an error.

    Args:
        address: URL, device path or camera index.
        max_pixels: Maximum width x height of a frame of a network stream.

    Raises:
        HooklineError: The source cannot be opened.
        BrokenError: The connection ended or was interrupted.
    """
    return _network(address, max_pixels) if "://" in address else _camera(address)


@contextmanager
def opened_stream(address: str, max_pixels: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a network stream with the timeouts above.

    Raises:
        UnreadableVideoError: The stream cannot be opened or has no video track.
    """
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    container, stream = open_video(address, max_pixels, options=options, timeout=(OPEN_SECONDS, READ_SECONDS))
    with container as opened:
        yield opened, stream


def _network(address: str, max_pixels: int) -> Generator[Shot, None, None]:
    with opened_stream(address, max_pixels) as (container, stream):
        convert, rate = Converter(), frame_rate(stream)
        try:
            for frame in decoded(container.demux(stream), ignore):
                yield Shot(convert(frame), rate, frame.is_corrupt)
        except (av.error.FFmpegError, OSError) as error:
            raise BrokenError(reason(error)) from error
    raise BrokenError("the sender ended the stream")


def _camera(address: str) -> Generator[Shot, None, None]:
    device: int | str = int(address) if address.isdecimal() else address
    with _quiet_opencv():
        camera = cv2.VideoCapture(device)
        try:
            if not camera.isOpened():
                raise HooklineError(f"cannot open camera '{address}'", "check that it is plugged in and not in use")
            rate = camera.get(cv2.CAP_PROP_FPS) or None
            good, image = camera.read()
            while good:
                yield Shot(image, rate)
                good, image = camera.read()
        finally:
            camera.release()
    raise BrokenError("the camera sends no more frames")


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Suppress OpenCV's log, which is long for a missing or silent camera; hookline reports it in one line."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has both functions in its top-level module
    level = log.getLogLevel()
    log.setLogLevel(SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def stream_frames(source: Source, tolerance: Tolerance, stride: int, reconnect: float) -> Generator[Frame, None, None]:
    """Yield frames until the stream ends; of a live stream, only the newest frame on each request.

    A video on a server is read like a file: every frame once, and an interruption is an error.

    Raises:
        HooklineError: The stream cannot be opened or sends no frame; a video on a server is interrupted or ends early.
    """
    if source.live:
        frames = live_frames(lambda: connect(source.address, tolerance.max_pixels), source.text, tolerance, reconnect)
    else:
        frames = _served(source, tolerance)
    yield from (frame for frame in frames if frame.index % stride == 0)


def _served(source: Source, tolerance: Tolerance) -> Iterator[Frame]:
    """Yield all frames of a video on a server."""
    report, begin = VideoReport(), time.monotonic()
    with opened_stream(source.address, tolerance.max_pixels) as (container, stream):
        rate, convert, report.declared = frame_rate(stream), Converter(), stream.frames
        try:
            for frame in decoded(container.demux(stream), report.lose):
                number, seconds = report.count(frame), time.monotonic() - begin
                damage = CORRUPT if frame.is_corrupt else ""
                yield Frame(number, f"stream#{number}", None, number, convert(frame), seconds, rate, damage)
        except (av.error.FFmpegError, OSError) as error:
            message = f"stream '{source.text}' was interrupted ({reason(error)})"
            raise HooklineError(message, "check the sender") from error
        finally:
            record(source.text, report, tolerance)
    if report.ends_early:
        message = f"'{source.text}' ends early: {report.read} of {counted(report.declared, 'frame')}"
        raise HooklineError(message, "check the server, or download the video")
