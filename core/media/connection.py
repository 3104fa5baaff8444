"""One connection to a camera or a network stream: its frames until it ends. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av.error
import cv2

from core.errors import HooklineError
from core.media.inbox import BrokenError, Shot
from core.media.tolerance import MAX_PIXELS
from core.media.video import Converter, decoded, frame_rate, open_video, reason
from core.reporting import ignore

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

OPEN_SECONDS = 20.0
"""How long opening a network stream may take."""
READ_SECONDS = 11.0
"""How long a network stream may send nothing: a little longer than ``SILENT_SECONDS``, which takes effect first."""
SILENT = 0
"""``LOG_LEVEL_SILENT`` of OpenCV."""


def connect(address: str, max_pixels: int = MAX_PIXELS) -> Generator[Shot, None, None]:
    """Yield the frames of one connection, which always ends with an error.

    Args:
        address: URL, device path, or the index of a camera in digits.
        max_pixels: Maximum width x height of a frame of a network stream.

    Raises:
        HooklineError: It cannot be opened.
        BrokenError: It ended or broke off.
    """
    return _network(address, max_pixels) if "://" in address else _camera(address)


@contextmanager
def opened_stream(address: str, max_pixels: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a network stream with the timeouts above.

    Raises:
        UnreadableVideoError: It cannot be opened, or it has no video track.
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
            good, picture = camera.read()
            while good:
                yield Shot(picture, rate)
                good, picture = camera.read()
        finally:
            camera.release()
    raise BrokenError("the camera gives no more frames")


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV prints pages about a missing or silent camera; our own line says it."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the two functions at its top
    level = log.getLogLevel()
    log.setLogLevel(SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)
