"""Annotated pictures and video. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from core.media.frame import Frame
from core.output_paths import output_below, write_file
from stages.predict.naming import Names
from stages.predict.video_writer import VideoOptions, VideoWriter


class PictureFiles:
    """Annotated pictures under their names in the source, in the same format."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder, self._names = folder, names

    def write(self, frame: Frame, picture: NDArray[np.uint8]) -> None:
        """Write one picture."""
        path = output_below(self._folder, self._names.picture(frame))
        path.parent.mkdir(parents=True, exist_ok=True)
        good, content = cv2.imencode(path.suffix, picture)
        if not good:
            raise ValueError(f"OpenCV cannot encode '{path.suffix}'")
        write_file(path, content.tobytes())

    def end(self) -> None:
        """Nothing is open between two images."""

    @property
    def whole(self) -> bool:
        """Every image that was written is whole."""
        return True

    def __enter__(self) -> PictureFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class VideoFiles:
    """One annotated mp4 for each video of the source, one for a stream; sound is left out.

    A video can be played while it is written, and after an end at any moment, up to the last second and the frames that
    the encoder still holds: some 40 with libx264.
    """

    def __init__(self, folder: Path, names: Names, options: VideoOptions, stride: int) -> None:
        self._folder, self._names, self._options, self._stride = folder, names, options, stride
        self._name = ""
        self._begin = 0.0
        self._writer: VideoWriter | None = None
        self.whole = True
        """Every frame that was written is in a file; known when the block is left."""

    def write(self, frame: Frame, picture: NDArray[np.uint8]) -> None:
        """Append one frame to its video; files come one after another."""
        seconds = frame.seconds or 0.0
        if self._writer is None or self._names.video(frame) != self._name:
            self.end()
            self._writer = self._start(frame)
            self._begin = seconds
        self._writer.write(picture, seconds - self._begin)

    def _start(self, frame: Frame) -> VideoWriter:
        self._name = self._names.video(frame)
        target = output_below(self._folder, self._name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return VideoWriter(target, frame.rate / self._stride if frame.rate else None, self._options)

    def end(self) -> None:
        """End the file of the video at hand.

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
