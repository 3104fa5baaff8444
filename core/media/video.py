"""Decode video files with PyAV. Heavy: imports PyAV and OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from core.errors import HooklineError
from core.files.regular_file import open_regular
from core.media.choices import MAX_PIXELS
from core.media.tolerance import too_many_pixels
from core.media.video_report import VideoReport, reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
BORDERS = 1 << 18
"""Pixels of the border that a decoder adds around a small frame."""


class Converter:
    """Convert decoded frames to uint8 BGR [H, W, 3], rotated by the display matrix.

    All frames share one scaler: ``VideoFrame.to_ndarray`` creates one per frame, which takes four times as long.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame."""
        image = np.asarray(self._reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
        rotation = ROTATIONS.get(round(getattr(frame, "rotation", 0)) % 360)  # PyAV 14 and later
        return image if rotation is None else cv2.rotate(image, rotation)


class UnreadableVideoError(HooklineError):
    """A video that cannot be opened or has no frames that can be decoded.

    Attributes:
        reason: The reason without the file name.
    """

    def __init__(self, message: str, hint: str, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


def open_video(
    address: str, max_pixels: int = MAX_PIXELS, *, name: str = "", **options: object
) -> tuple[AbstractContextManager[InputContainer], VideoStream]:
    """Open an address and select its first video track.

    Args:
        address: Address in FFmpeg's syntax.
        max_pixels: Maximum width x height of a frame.
        name: Name in messages; defaults to the address.
        options: Arguments of ``av.open``.

    Raises:
        UnreadableVideoError: The address cannot be opened, has no video track, or its frames are too large.
    """
    shown = name or address
    try:
        container = av.open(address, **options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _unopened(shown, error) from error
    if not container.streams.video:
        container.close()
        what = "has no video track"
        raise UnreadableVideoError(f"'{shown}' {what}", "give a file or address with a video track", what)
    stream = container.streams.video[0]
    if excess := too_many_pixels((stream.height, stream.width), max_pixels):
        container.close()
        raise UnreadableVideoError(f"cannot read video '{shown}': {excess}", "", excess)
    # The size can change within a video. FFmpeg counts the borders that decoders add to a frame as pixels.
    stream.codec_context.options = {"max_pixels": str(2 * max_pixels + BORDERS)}
    stream.thread_type = "AUTO"
    return container, stream


def open_file(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[AbstractContextManager[InputContainer], VideoStream]:
    """Open a video file as :func:`open_video` does.

    FFmpeg gets a file descriptor and may open nothing else, because a file can be a playlist that names other files.

    Raises:
        UnreadableVideoError: As :func:`open_video`; also if the path is not a regular file.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise _unopened(str(path), error) from error
    with file:  # FFmpeg duplicates the handle
        options = {"fd": str(file.fileno()), "protocol_whitelist": "fd"}
        return open_video("fd:", max_pixels, name=str(path), options=options)


def _unopened(name: str, error: BaseException) -> UnreadableVideoError:
    why = reason(error)
    message = f"cannot open video '{name}' ({why})"
    return UnreadableVideoError(message, "check that it plays elsewhere", f"cannot be opened ({why})")


def count_frames(path: Path) -> int:
    """Return the number of frames in the container's header, or else the number of packets, without decoding."""
    container, stream = open_file(path)
    with container as opened:
        if stream.frames:
            return stream.frames
        return sum(packet.size > 0 for packet in _packets(opened, stream, VideoReport()))


def frame_rate(stream: VideoStream) -> float | None:
    """Return the frames per second, None if the container does not give them."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def video_frames(
    path: Path,
    wanted: Callable[[int], bool],
    report: VideoReport,
    max_pixels: int = MAX_PIXELS,
    *,
    exact: bool = True,
) -> Iterator[tuple[int, NDArray[np.uint8], float, float | None, bool]]:
    """Decode a video file once, in order.

    Args:
        path: The file.
        wanted: Selects frames by number; the others are decoded but not converted.
        report: Collects damaged and missing frames; all frames that can be decoded are yielded.
        max_pixels: Maximum width x height of a frame.
        exact: Flag every corrupt frame that the decoder finds. False decodes H.264 with one frame per thread, where
            FFmpeg can return a frame before it has flagged it.

    Yields:
        Number in the file from 0, image, seconds, frames per second of the video, whether the frame is corrupt.

    Raises:
        UnreadableVideoError: The file has no video track or no frame that can be decoded.
    """
    container, stream = open_file(path, max_pixels)
    if exact and stream.codec_context.name == "h264":
        stream.thread_type = "SLICE"
    with container as opened:
        rate, report.declared = frame_rate(stream), stream.frames
        convert = Converter()
        for frame in decoded(_packets(opened, stream, report), report.lose):
            number = report.count(frame)
            if wanted(number):
                seconds = frame.time if frame.time is not None else number / (rate or 1.0)
                yield number, convert(frame), seconds, rate, frame.is_corrupt
    if not report.read:
        what = "has no frames that can be decoded"
        raise UnreadableVideoError(f"video '{path}' {what}", "check that it plays elsewhere", what)
    report.complete = True


def decoded(
    packets: Iterable[Packet[VideoStream]], lose: Callable[[av.error.FFmpegError], None]
) -> Iterator[VideoFrame]:
    """Decode packets one by one; pass the error of a packet that cannot be decoded to ``lose`` and skip it."""
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            lose(error)
            continue
        yield from frames


def _packets(container: InputContainer, stream: VideoStream, report: VideoReport) -> Iterator[Packet[VideoStream]]:
    """Yield packets until the end of the file or the first error of the container."""
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                report.trouble = report.trouble or "parts of the file are missing or corrupt"
            yield packet
    except (av.error.FFmpegError, OSError) as error:
        report.trouble = report.trouble or reason(error)
