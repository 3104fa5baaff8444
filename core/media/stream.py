"""Frames of cameras and network streams, over interruptions. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import av.error

from core.errors import HooklineError, counted
from core.media.connection import connect, opened_stream
from core.media.frame import CORRUPT, Frame
from core.media.live import live_frames
from core.media.source import Source
from core.media.tolerance import Tolerance
from core.media.video import Converter, VideoReport, decoded, frame_rate, reason, record


def stream_frames(source: Source, tolerance: Tolerance, stride: int, reconnect: float) -> Generator[Frame, None, None]:
    """Yield frames until the stream has ended; those of a live one by the latest-frame policy.

    A video on a server is read like a file: every frame, once, and an interruption is an error.

    Raises:
        HooklineError: The stream cannot be opened or gives no frame; a video on a server broke off or ends early.
    """
    if source.live:
        frames = live_frames(lambda: connect(source.address, tolerance.max_pixels), source.text, tolerance, reconnect)
    else:
        frames = _served(source, tolerance)
    yield from (frame for frame in frames if frame.index % stride == 0)


def _served(source: Source, tolerance: Tolerance) -> Iterator[Frame]:
    """Frames of a video on a server."""
    report, begin = VideoReport(), time.monotonic()
    with opened_stream(source.address, tolerance.max_pixels) as (container, stream):
        rate, convert, report.declared = frame_rate(stream), Converter(), stream.frames
        try:
            for frame in decoded(container.demux(stream), report.lose):
                number, seconds = report.count(frame), time.monotonic() - begin
                damage = CORRUPT if frame.is_corrupt else ""
                yield Frame(number, f"stream#{number}", None, number, convert(frame), seconds, rate, damage)
        except (av.error.FFmpegError, OSError) as error:
            raise HooklineError(f"stream '{source.text}' broke off ({reason(error)})", "check the sender") from error
        finally:
            record(source.text, report, tolerance)
    if report.ends_early:
        message = f"'{source.text}' ends early: {report.read} of {counted(report.declared, 'frame')}"
        raise HooklineError(message, "check the server, or download the video")
