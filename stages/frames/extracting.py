"""Read a video once and write the selected frames as JPEG files. Heavy: imports OpenCV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from core.artifacts import ImageList
from core.errors import HooklineError, counted
from core.files.paths import numbered, output_path, write_file
from core.media.ahead import ahead
from core.media.frame import Frame
from core.media.reader import files_read, frame_count, read_frames, sample_frames, spread_frames
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from stages.frames.config import DEFAULT_EVERY, FramesConfig, Order

if TYPE_CHECKING:
    from core.kinds.context import RunContext

LISTING = "pictures.txt"
FOLDER = "images"
"""The folder in which YOLO tools expect images; labels go to ``labels``."""
SMALL = (32, 32)
"""Size at which frames are compared."""
UNSAFE = re.compile(r"[/\x00-\x1f\x7f\x85\u2028\u2029]")
"""Characters that a list with one path per line cannot contain, and slashes."""


def extract(config: FramesConfig, context: RunContext) -> ImageList:
    """Write the selected frames as JPEG files, and a list of them.

    The list always names exactly the complete images, so that the results of an interrupted run are usable. Damaged
    frames are not written.

    Raises:
        HooklineError: No video can be read, or too many cannot be read.
    """
    source = list_source(config.source)
    for note in source.notes:
        context.warn(note)
    tolerance = Tolerance(files_read(source), context.warn, config.on_error, "frames.on_error", config.max_pixels)
    (context.workdir / FOLDER).mkdir()
    with (
        (context.workdir / LISTING).open("w", encoding="utf-8", errors="surrogateescape") as listing,
        ahead(_wanted(config, source, tolerance, context.seed)) as found,
        context.progress("write frames", _total(config, source), "frames") as progress,
    ):
        output = _Output(config, context.workdir, listing, _file_names(source), tolerance)
        for frame in found:
            if output.add(frame):
                context.keep(output.result())
            progress.advance(note=f"{output.written} written" if config.min_change else "")
    tolerance.conclude()
    if not output.written:
        raise HooklineError(f"no frame of '{source.text}' could be read", "check that it plays elsewhere")
    sentence = ", ".join([f"{counted(output.written, 'image')} written", *_skipped(output.unchanged, output.damaged)])
    return replace(output.result(), report=(sentence,))


class _Output:
    """Writes frames and their list, and counts the others."""

    def __init__(
        self,
        config: FramesConfig,
        workdir: Path,
        listing: TextIO,
        names: Mapping[Path | None, str],
        tolerance: Tolerance,
    ) -> None:
        self._quality, self._change = config.quality, _Change(config.min_change)
        self._workdir, self._listing, self._names, self._tolerance = workdir, listing, names, tolerance
        self.written = self.unchanged = self.damaged = 0

    def add(self, frame: Frame) -> bool:
        """Write a frame unless it is damaged or has too little change; return whether it was written."""
        if frame.damaged:
            self.damaged += 1
            return False
        if not self._change.is_enough(frame.picture):
            self.unchanged += 1
            return False
        image = output_path(self._workdir / FOLDER, f"{self._names[frame.path]}-{frame.number:06d}.jpg")
        _write(image, frame.picture, self._quality)
        self._listing.write(f"{FOLDER}/{image.name}\n")
        self._listing.flush()
        self.written += 1
        return True

    def result(self) -> ImageList:
        """Return the artifact of the images written so far."""
        counts = {
            "pictures": self.written,
            "skipped": self.unchanged,
            "damaged": self.damaged,
            "unreadable": len(self._tolerance.unreadable),
        }
        return ImageList(path=self._workdir / LISTING, values=counts)


def _skipped(unchanged: int, damaged: int) -> Iterator[str]:
    if unchanged:
        yield f"{counted(unchanged, 'frame')} with too little change skipped"
    if damaged:
        yield f"{counted(damaged, 'damaged frame')} skipped"


class _Change:
    """Compares frames, scaled down and in grey, with the last one that was written."""

    def __init__(self, minimum: float) -> None:
        self._minimum = minimum
        self._last: NDArray[np.float32] | None = None

    def is_enough(self, image: NDArray[np.uint8]) -> bool:
        if not self._minimum:
            return True
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        small = np.asarray(cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA), np.float32)
        if self._last is not None and np.abs(small - self._last).mean() < self._minimum:
            return False
        self._last = small
        return True


def _wanted(config: FramesConfig, source: Source, tolerance: Tolerance, seed: int) -> Iterator[Frame]:
    if config.count is not None and config.order is Order.random:
        return sample_frames(source, config.count, seed, tolerance)
    if config.count is not None:
        return spread_frames(source, config.count, tolerance)
    return read_frames(source, tolerance, stride=config.every or DEFAULT_EVERY)


def _total(config: FramesConfig, source: Source) -> int:
    if config.count is not None:
        return min(config.count, frame_count(source) or 0)
    return frame_count(source, stride=config.every or DEFAULT_EVERY) or 0


def _file_names(source: Source) -> dict[Path | None, str]:
    """Return the prefix of the image names per video: its stem, with the suffix or a number if stems are equal."""
    flat = [PurePosixPath(UNSAFE.sub("-", name)) for name in source.names]
    stems = Counter(name.stem.casefold() for name in flat)
    chosen: dict[str, str] = {}
    for name in flat:
        plain = name.name if stems[name.stem.casefold()] > 1 else name.stem
        free = next(candidate for candidate in numbered(plain) if candidate.casefold() not in chosen)
        chosen[free.casefold()] = free
    return dict(zip(source.files, chosen.values(), strict=True))


def _write(target: Path, image: NDArray[np.uint8], quality: int) -> None:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    write_file(target, encoded.tobytes())
