"""Annotated video: H.264 in mp4 through PyAV. Heavy: imports PyAV and OpenCV."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.codec
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from core.files.paths import replacing

if TYPE_CHECKING:
    from av.video.stream import VideoStream

AUTO, PREFERRED, FALLBACK = "auto", "libx264", "mpeg4"
# Represents all usual frame rates, and is allowed in MPEG-4 part 2.
TIME_BASE = Fraction(1, 60_000)
DEFAULT_RATE = 25.0
BT601, LIMITED_RANGE = 5, 1
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FRAGMENTED = {
    "movflags": "+frag_keyframe+delay_moov+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
"""A fragment ends at a key frame, or after a second (in microseconds). The header is written with the first fragment,
when the delay of reordered frames is known; without the delay all times would be shifted."""


@dataclass(frozen=True)
class VideoOptions:
    """Options of the encoder.

    Attributes:
        codec: Name of an FFmpeg encoder; ``auto``: libx264, else mpeg4 with a warning.
        crf: Of libx264, 0 (lossless) to 51.
        preset: Of libx264, one of :data:`stages.predict.config.PRESETS`.
    """

    codec: str = AUTO
    crf: int = 23
    preset: str = "veryfast"


def choose_codec(wanted: str, warn: Callable[[str], None]) -> str:
    """Return the encoder to use.

    Raises:
        HooklineError: This build of FFmpeg does not have the encoder.
    """
    if wanted != AUTO:
        if not _exists(wanted):
            raise HooklineError(
                f"this build of FFmpeg has no video encoder '{wanted}'",
                "set predict.codec=auto to use an available one",
            )
        return wanted
    if _exists(PREFERRED):
        return PREFERRED
    warn(f"this build of PyAV has no {PREFERRED}: the video is written as {FALLBACK}, larger and less widely played")
    return FALLBACK


def _exists(codec: str) -> bool:
    try:
        return bool(av.codec.Codec(codec, "w"))
    except (ValueError, av.error.FFmpegError):
        return False


class VideoWriter:
    """An mp4 file.

    While it is written it is a fragmented mp4 (ISO/IEC 14496-12, 8.8), which can be played up to its last fragment even
    if the process is killed. :meth:`close` rewrites it with the index in front, so that every player can seek.

    Args:
        target: Path of the file.
        rate: Frames per second; frames keep their times, also where the rate varies.
        options: With a ``codec`` from :func:`choose_codec`.
    """

    def __init__(self, target: Path, rate: float | None, options: VideoOptions) -> None:
        self._target = target
        self._rate = Fraction(rate or DEFAULT_RATE).limit_denominator(1001)
        self._options = options
        target.unlink(missing_ok=True)
        self._container = av.open(str(target), "w", format="mp4", options=FRAGMENTED)
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._next = 0
        self._frames = 0

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Append a uint8 BGR image that is shown from ``seconds`` after the start; times increase."""
        if self._stream is None:
            self._stream = self._open(image)
        frame = av.VideoFrame.from_ndarray(self._fitted(image), format="bgr24")
        frame.pts = self._next = max(self._next, round(seconds / TIME_BASE))
        frame.time_base = TIME_BASE
        self._next += 1
        self._container.mux(self._stream.encode(frame))
        self._frames += 1

    def close(self) -> None:
        """Complete the file and put its index in front, if the disk has space for a second copy.

        Raises:
            OSError: The disk is full, and frames are missing.
        """
        self._finish()
        if self._stream is None:
            return
        if not self._whole():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._target))
        try:
            _put_index_in_front(self._target)
        except OSError as error:
            if error.errno not in FULL:
                raise

    def abandon(self) -> bool:
        """Complete the file after a failure if possible; return whether it has all frames."""
        try:
            self._finish()
            return self._stream is None or self._whole()
        except (av.error.FFmpegError, OSError):
            return False

    def _whole(self) -> bool:
        """Return whether the file has all frames: FFmpeg does not report a failure of the last write."""
        with av.open(str(self._target)) as written:
            found = sum(packet.size > 0 for packet in written.demux(video=0))
        return bool(found >= self._frames)

    def _finish(self) -> None:
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _open(self, image: NDArray[np.uint8]) -> VideoStream:
        """Open the encoder; odd sides grow by one pixel, since H.264 with subsampled colours needs even sides."""
        height, width = image.shape[:2]
        self._size = (width + width % 2, height + height % 2)
        stream: VideoStream = self._container.add_stream(self._options.codec, rate=self._rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = TIME_BASE
        # The matrix of the conversion from BGR; without it players guess another one for large images.
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        if self._options.codec == PREFERRED:
            stream.options = {"crf": str(self._options.crf), "preset": self._options.preset}
        else:
            stream.bit_rate = max(1_000_000, int(width * height * self._rate / 4))
        return stream

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        wide, high = self._size
        if (width, height) == self._size:
            return np.ascontiguousarray(image)
        if 0 <= wide - width <= 1 and 0 <= high - height <= 1:
            return _bordered(image, high - height, wide - width)
        resized: NDArray[np.uint8] = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        return resized


def _put_index_in_front(video: Path) -> None:
    """Replace a fragmented mp4 by a plain one with the same packets."""
    with (
        replacing(video) as plain,
        av.open(str(video)) as source,
        av.open(str(plain), "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        given = source.streams.video[0]
        add = getattr(target, "add_stream_from_template", None)  # PyAV 14 and later
        stream = add(given) if add else target.add_stream(template=given)
        for packet in source.demux(given):
            if packet.dts is not None:  # the last packet is empty and flushes decoders
                packet.stream = stream
                target.mux(packet)


def _bordered(image: NDArray[np.uint8], below: int, right: int) -> NDArray[np.uint8]:
    bordered: NDArray[np.uint8] = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return bordered
