"""Frames of video files through PyAV. Heavy: imports PyAV and OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from core.errors import HooklineError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Converter:
    """Decoded frames to uint8 BGR [H, W, 3], turned as the display matrix says.

    One scaler is kept for all frames: with the frame's own ``to_ndarray`` each frame sets up a new one,
    four times the cost for the same pixels.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame."""
        converted: Any = self._reformatter.reformat(frame, format="bgr24")
        picture: NDArray[np.uint8] = converted.to_ndarray()
        turn = TURNS.get(round(getattr(frame, "rotation", 0)) % 360)  # PyAV 14 and later
        if turn is not None:
            picture = cv2.rotate(picture, turn)
        return picture


def open_video(address: str, **options: object) -> tuple[AbstractContextManager[InputContainer], VideoStream]:
    """Open a file or an address and find its first video track.

    Raises:
        HooklineError: It cannot be opened, or it has no video track.
    """
    try:
        container = av.open(address, **options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        message = f"cannot open video '{address}' ({reason(error)})"
        raise HooklineError(message, "check that it plays elsewhere") from error
    if not container.streams.video:
        container.close()
        raise HooklineError(f"'{address}' has no video track", "give a file or address with pictures in it")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return container, stream


def count_frames(path: Path) -> int:
    """Number of frames, from the container's header, else by counting packets without decoding."""
    container, stream = open_video(str(path))
    with container as opened:
        if stream.frames:
            return stream.frames
        return sum(packet.size > 0 for packet in _packets(opened, stream, lambda _: None))


def frame_rate(stream: VideoStream) -> float | None:
    """Frames a second, None where the container does not say."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def video_frames(
    path: Path, wanted: Callable[[int], bool], warn: Callable[[str], None]
) -> Iterator[tuple[int, NDArray[np.uint8], float, float | None]]:
    """Decode once, in order.

    Args:
        path: The file.
        wanted: Frames that are not wanted are decoded but not converted.
        warn: Told when the file is damaged or ends early; what it has is given all the same.

    Yields:
        Number in the file from 0, picture, seconds, frames a second of the video.

    Raises:
        HooklineError: There is no video in it, or not one frame.
    """
    container, stream = open_video(str(path))
    with container as opened:
        rate, declared = frame_rate(stream), stream.frames
        troubles: list[str] = []
        convert, number = Converter(), -1
        for number, frame in enumerate(_decoded(opened, stream, troubles.append)):
            if wanted(number):
                seconds = frame.time if frame.time is not None else number / (rate or 1.0)
                yield number, convert(frame), seconds, rate
    if number < 0:
        raise HooklineError(f"video '{path}' has no frames", "check that it plays elsewhere")
    _report(path, number + 1, declared, troubles, warn)


def _report(path: Path, read: int, declared: int, troubles: list[str], warn: Callable[[str], None]) -> None:
    missing = declared - read
    if troubles:
        warn(f"'{path}' is damaged ({troubles[0]}): {read} frames read" + (f" of {declared}" if missing > 0 else ""))
    elif missing > max(1, declared // 100):
        warn(f"'{path}' ends early: {read} of {declared} frames")


def _decoded(container: InputContainer, stream: VideoStream, trouble: Callable[[str], None]) -> Iterator[VideoFrame]:
    for packet in _packets(container, stream, trouble):
        try:
            yield from packet.decode()
        except av.error.FFmpegError as error:
            trouble(reason(error))


def _packets(
    container: InputContainer, stream: VideoStream, trouble: Callable[[str], None]
) -> Iterator[Packet[VideoStream]]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            trouble(reason(error))
            return
        yield packet


def reason(error: BaseException) -> str:
    """The plain words of an FFmpeg error."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
