"""Annotated images and video, and their names. Heavy: imports OpenCV and PyAV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from core.files.paths import output_below, write_file
from core.labels import image_ids
from core.media.frame import Frame
from core.media.source import Source, SourceKind
from stages.predict.video_writer import VideoOptions, VideoWriter

STREAM = "stream"
RESERVED = ("images.json", "incomplete.json", "predictions.csv", "predictions.json", "stream.json")
GREY = (".pbm", ".pgm")


class ResultNames:
    """Relative paths of results, by frame.

    ``street/a.jpg`` gives ``street/a.txt``; where ``street/a.png`` is there too, ``street/a.jpg.txt``.

    Raises:
        HooklineError: A folder of the source has the name of a result.
    """

    def __init__(self, source: Source) -> None:
        self._names: Mapping[Path | None, str] = dict(zip(source.files, source.names, strict=True)) or {None: STREAM}
        self._stems = _unique_stems(tuple(self._names.values()))
        self._pictures = _picture_names(tuple(self._names.values()))
        self._numbered = source.kind is not SourceKind.pictures
        _check_folders(self._names.values(), {*map(self.annotated, self._names.values()), *RESERVED})
        labels = {f"{stem}.txt" for stem in self._stems.values()}
        _check_folders(self._names.values(), labels | {f"labels/{label}" for label in labels})
        self._ids = image_ids(source.files) if source.kind is SourceKind.pictures else []

    def picture(self, frame: Frame) -> str:
        """Of the annotated image: the name that it has in the source; grey formats become PNG, for the colours."""
        return self._pictures[self._names[frame.path]]

    def video(self, frame: Frame) -> str:
        """Of the annotated video that the frame belongs to."""
        return self._stems[self._names[frame.path]] + ".mp4"

    def label(self, frame: Frame) -> str:
        """Of the frame's label file."""
        ending = f"_{frame.number:06d}.txt" if self._numbered else ".txt"
        return self._stems[self._names[frame.path]] + ending

    def annotated(self, name: str) -> str:
        """Of the annotated image or video of a file, given by its name in the source."""
        return self._stems[name] + ".mp4" if self._numbered else self._pictures[name]

    def image_id(self, frame: Frame) -> int:
        """COCO's id: the number that is the file's name where all are numbers, else the index in the source + 1."""
        return self._ids[frame.index] if self._ids else frame.index + 1


def _check_folders(names: Iterable[str], results: Collection[str]) -> None:
    """Refuse a folder in the place of a file."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    if clash := sorted(folders.intersection(results)):
        raise HooklineError(
            f"the source has a folder '{clash[0]}', and a result of predict has this name", "rename the folder"
        )


def _picture_names(names: Sequence[str]) -> dict[str, str]:
    """By name: the name itself, with another suffix where its format has no colours; each once."""
    taken = set(names)
    chosen: dict[str, str] = {}
    for name in names:
        chosen[name] = name
        if name.lower().endswith(GREY):
            numbered = chain([f"{name}.png"], (f"{name}-{number}.png" for number in count(2)))
            chosen[name] = next(free for free in numbered if free not in taken)
            taken.add(chosen[name])
    return chosen


def _unique_stems(names: Sequence[str]) -> dict[str, str]:
    """By name: the name without its suffix where no other shares that, else the name, numbered where that is taken."""
    stems = {name: str(PurePosixPath(name).with_suffix("")) for name in names}
    shared = Counter(stems.values())
    chosen = {name: stem for name, stem in stems.items() if shared[stem] == 1}
    taken = set(chosen.values())
    for name in names:
        if name not in chosen:
            numbered = chain([name], (f"{name}-{number}" for number in count(2)))
            chosen[name] = next(free for free in numbered if free not in taken)
            taken.add(chosen[name])
    return chosen


class PictureFiles:
    """Annotated pictures under their names in the source, in the same format."""

    def __init__(self, folder: Path, names: ResultNames) -> None:
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

    def __init__(self, folder: Path, names: ResultNames, options: VideoOptions, stride: int) -> None:
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
