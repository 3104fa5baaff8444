"""Annotated images and video of a run. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from core.files.paths import output_below, write_file
from core.media.frame import Frame
from stages.predict.result_names import ResultNames
from stages.predict.video_writer import VideoOptions, VideoWriter

ENCODERS = {".jfif": ".jpg", ".mpo": ".jpg"}
"""Suffixes that OpenCV reads and does not encode -> the suffix of the same format."""


class ImageFiles:
    """Annotated images under their names in the source, in the same format."""

    def __init__(self, folder: Path, names: ResultNames) -> None:
        self._folder, self._names = folder, names

    def write(self, frame: Frame, image: NDArray[np.uint8]) -> None:
        """Write an image."""
        path = output_below(self._folder, self._names.image(frame))
        path.parent.mkdir(parents=True, exist_ok=True)
        encoder = ENCODERS.get(path.suffix.lower(), path.suffix)
        good, content = cv2.imencode(encoder, image)
        if not good:
            raise ValueError(f"OpenCV cannot encode '{path.suffix}'")
        write_file(path, content.tobytes())

    def end(self) -> None:
        """Do nothing: no file is open between two images."""

    @property
    def whole(self) -> bool:
        """Every image that was written is complete."""
        return True

    def __enter__(self) -> ImageFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class VideoFiles:
    """One annotated mp4 per video of the source, or one for a stream; without sound.

    A video can be played while it is written. If the process is killed, the last second is missing, and the frames that
    the encoder holds: about 40 with libx264.
    """

    def __init__(self, folder: Path, names: ResultNames, options: VideoOptions, stride: int) -> None:
        self._folder, self._names, self._options, self._stride = folder, names, options, stride
        self._name = ""
        self._begin = 0.0
        self._writer: VideoWriter | None = None
        self.whole = True
        """Every frame that was written is in a file; final when the block is left."""

    def write(self, frame: Frame, image: NDArray[np.uint8]) -> None:
        """Append a frame to its video. The frames of a file follow one another."""
        seconds = frame.seconds or 0.0
        if self._writer is None or self._names.video(frame) != self._name:
            self.end()
            self._writer = self._start(frame)
            self._begin = seconds
        self._writer.write(image, seconds - self._begin)

    def _start(self, frame: Frame) -> VideoWriter:
        self._name = self._names.video(frame)
        target = output_below(self._folder, self._name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return VideoWriter(target, frame.rate / self._stride if frame.rate else None, self._options)

    def end(self) -> None:
        """Complete the current file.

        Raises:
            OSError: The disk is full.
        """
        writer, self._writer = self._writer, None
        if writer:
            try:
                writer.close()
            except BaseException:
                self.whole = False
                raise

    def __enter__(self) -> VideoFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.end()
        elif self._writer:
            writer, self._writer = self._writer, None
            self.whole = writer.abandon() and self.whole
