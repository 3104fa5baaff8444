"""Frames of video files through PyAV. Heavy: imports PyAV and OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from core.errors import HooklineError, counted
from core.files.regular_file import open_regular
from core.masking import masked
from core.media.tolerance import MAX_PIXELS, Tolerance, too_many_pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
BORDERS = 1 << 18
"""Pixels of the borders that a decoder puts around a small frame."""
RUNS = 4
"""Runs of corrupt frames that are named."""


class Converter:
    """Decoded frames to uint8 BGR [H, W, 3], turned as the display matrix says.

    One scaler is kept for all frames: with the frame's own ``to_ndarray`` each frame sets up a new one,
    four times the cost for the same pixels.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Convert one frame."""
        picture = np.asarray(self._reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
        turn = TURNS.get(round(getattr(frame, "rotation", 0)) % 360)  # PyAV 14 and later
        if turn is not None:
            picture = cv2.rotate(picture, turn)
        return picture


class UnreadableVideoError(HooklineError):
    """A video that cannot be opened or has nothing to decode.

    Attributes:
        reason: What is wrong, without the name of the file.
    """

    def __init__(self, message: str, hint: str, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


def open_video(
    address: str, max_pixels: int = MAX_PIXELS, *, name: str = "", **options: object
) -> tuple[AbstractContextManager[InputContainer], VideoStream]:
    """Open an address and find its first video track.

    Args:
        address: As FFmpeg takes it.
        max_pixels: Maximum width x height of a frame.
        name: For messages, where it is not the address.
        options: For PyAV.

    Raises:
        UnreadableVideoError: It cannot be opened, it has no video track, or its frames are too large.
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
    # The size can change on the way. FFmpeg counts the borders that decoders put around a frame as pixels.
    stream.codec_context.options = {"max_pixels": str(2 * max_pixels + BORDERS)}
    stream.thread_type = "AUTO"
    return container, stream


def open_file(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[AbstractContextManager[InputContainer], VideoStream]:
    """Open a video file as :func:`open_video` does.

    FFmpeg gets an open file and not its name, and may open nothing else: a file can be a playlist that names others.

    Raises:
        UnreadableVideoError: As :func:`open_video`; also for what is not a regular file.
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
    """Number of frames, from the container's header, else by counting packets without decoding."""
    container, stream = open_file(path)
    with container as opened:
        if stream.frames:
            return stream.frames
        return sum(packet.size > 0 for packet in _packets(opened, stream, VideoReport()))


def frame_rate(stream: VideoStream) -> float | None:
    """Frames per second, None where the container does not say."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


@dataclass
class VideoReport:
    """What decoding a video showed.

    Attributes:
        declared: Number of frames in the container's header, 0 where it does not say.
        read: Frames decoded.
        corrupt: Numbers of the frames that the decoder flagged as corrupt.
        lost: Packets that could not be decoded.
        trouble: The first error of the container or of a packet.
        complete: Whether the video was decoded to its end.
    """

    declared: int = 0
    read: int = 0
    corrupt: list[int] = field(default_factory=list)
    lost: int = 0
    trouble: str = ""
    complete: bool = False

    def lose(self, error: av.error.FFmpegError) -> None:
        """Count a packet that could not be decoded."""
        self.lost += 1
        self.trouble = self.trouble or reason(error)

    def count(self, frame: VideoFrame) -> int:
        """Count a decoded frame and return its number."""
        number = self.read
        self.read += 1
        if frame.is_corrupt:
            self.corrupt.append(number)
        return number

    @property
    def ends_early(self) -> bool:
        """Whether more than 1 % of the declared frames, and more than one, are missing."""
        return self.declared - self.read > max(1, self.declared // 100)

    def damage(self) -> str:
        """Return what is wrong with the video in words, empty for nothing."""
        parts = []
        if self.corrupt:
            frames = f"{len(self.corrupt)} of {counted(self.read, 'frame')}"
            parts.append(f"errors in {frames} ({_ranges(self.corrupt)})")
        if self.complete and (self.ends_early or (self.trouble and self.read < self.declared)):
            parts.append(f"{self.read} of {counted(self.declared, 'frame')} could be read")
        if self.lost:
            parts.append(f"{counted(self.lost, 'packet')} could not be decoded")
        if self.trouble:
            parts.append(self.trouble)
        return "; ".join(parts)


def video_frames(
    path: Path,
    wanted: Callable[[int], bool],
    report: VideoReport,
    max_pixels: int = MAX_PIXELS,
    *,
    exact: bool = True,
) -> Iterator[tuple[int, NDArray[np.uint8], float, float | None, bool]]:
    """Decode once, in order.

    Args:
        path: The file.
        wanted: Frames that are not wanted are decoded but not converted.
        report: Records what is damaged or missing; what can be decoded is yielded all the same.
        max_pixels: Maximum width x height of a frame.
        exact: Flag every corrupt frame that the decoder finds. False decodes H.264 with a frame per thread, where
            FFmpeg can hand out a frame before it has flagged it.

    Yields:
        Number in the file from 0, image, seconds, frames per second of the video, whether the frame is corrupt.

    Raises:
        UnreadableVideoError: There is no video in it, or not one frame.
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


def record(name: str, report: VideoReport, tolerance: Tolerance) -> None:
    """Count and report what is damaged in the video ``name``, in one line."""
    tolerance.damaged_frames += len(report.corrupt)
    if report.read and (damage := report.damage()):
        tolerance.damage(name, damage)


def decoded(
    packets: Iterable[Packet[VideoStream]], lose: Callable[[av.error.FFmpegError], None]
) -> Iterator[VideoFrame]:
    """Decode packets one by one; one that cannot be decoded is handed to ``lose`` with its error and passed over."""
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            lose(error)
            continue
        yield from frames


def _packets(container: InputContainer, stream: VideoStream, report: VideoReport) -> Iterator[Packet[VideoStream]]:
    """Packets up to the end of the file or to where it is damaged."""
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                report.trouble = report.trouble or "parts of the file are missing or corrupt"
            yield packet
    except (av.error.FFmpegError, OSError) as error:
        report.trouble = report.trouble or reason(error)


def _ranges(numbers: Sequence[int]) -> str:
    """Return the first runs of ascending numbers: ``3, 40-51, 60, ...``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    shown = ["-".join(map(str, run)) for run in runs[:RUNS]]
    return ", ".join([*shown, *(["..."] if len(runs) > RUNS else [])])


def reason(error: BaseException) -> str:
    """Return the plain words of an FFmpeg error, without passwords."""
    return getattr(error, "strerror", None) or masked(str(error)) or type(error).__name__
