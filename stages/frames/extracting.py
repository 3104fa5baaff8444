"""Reads a video once and writes the frames that are wanted. Heavy: imports OpenCV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from core.artifacts import ImageList
from core.errors import HooklineError, counted
from core.files.paths import output_path, write_file
from core.media.ahead import ahead
from core.media.frame import Frame
from core.media.reader import files_read, frame_count, read_frames, spread_frames
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from stages.frames.config import EVERY, FramesConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext

LISTING = "pictures.txt"
FOLDER = "images"  # labels find their place beside it, in labels/
SMALL = (32, 32)
UNLISTED = re.compile(r"[/\x00-\x1f\x7f\x85\u2028\u2029]")
"""What a name in a list of one path per line cannot hold, and the slashes of folders."""


def extract(config: FramesConfig, context: RunContext) -> ImageList:
    """Write the frames that the config asks for as JPEG, and a list of them.

    At any moment the list names exactly the images that are complete, so that an interrupted run leaves usable ones.
    Damaged frames are not written.

    Raises:
        HooklineError: No video can be read, or too many cannot.
    """
    source = list_source(config.source)
    tolerance = Tolerance(files_read(source), context.warn, config.on_error, "frames.on_error", config.max_pixels)
    names, change = _file_names(source), _Change(config.min_change)
    folder = context.workdir / FOLDER
    folder.mkdir()
    written = unchanged = damaged = 0

    def result() -> ImageList:
        counts = {
            "pictures": written,
            "skipped": unchanged,
            "damaged": damaged,
            "unreadable": len(tolerance.unreadable),
        }
        return ImageList(path=context.workdir / LISTING, values=counts)

    with (
        (context.workdir / LISTING).open("w", encoding="utf-8", errors="surrogateescape") as listing,
        ahead(_wanted(config, source, tolerance)) as found,
        context.progress("write frames", _total(config, source), "frames") as progress,
    ):
        for frame in found:
            if frame.damaged:
                damaged += 1
            elif change.enough(frame.picture):
                image = output_path(folder, f"{names[frame.path]}-{frame.number:06d}.jpg")
                _write(image, frame.picture, config.quality)
                listing.write(f"{FOLDER}/{image.name}\n")
                listing.flush()
                written += 1
                context.keep(result())
            else:
                unchanged += 1
            progress.advance(note=f"{written} written" if config.min_change else "")
    tolerance.conclude()
    if not written:
        raise HooklineError(f"no frame of '{source.text}' could be read", "check that it plays elsewhere")
    sentence = ", ".join([f"{counted(written, 'image')} written", *_left_out(unchanged, damaged)])
    return replace(result(), report=(sentence,))


def _left_out(unchanged: int, damaged: int) -> Iterator[str]:
    if unchanged:
        yield f"{unchanged} skipped that changed too little"
    if damaged:
        yield f"{counted(damaged, 'damaged frame')} left out"


class _Change:
    """Compares small grey pictures: a frame is taken when it differs enough from the last one that was."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._last: NDArray[np.float32] | None = None

    def enough(self, picture: NDArray[np.uint8]) -> bool:
        if not self._least:
            return True
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        small = np.asarray(cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA), np.float32)
        if self._last is not None and np.abs(small - self._last).mean() < self._least:
            return False
        self._last = small
        return True


def _wanted(config: FramesConfig, source: Source, tolerance: Tolerance) -> Iterator[Frame]:
    if config.count is not None:
        return spread_frames(source, config.count, tolerance)
    return read_frames(source, tolerance, stride=config.every or EVERY)


def _total(config: FramesConfig, source: Source) -> int:
    if config.count is not None:
        return min(config.count, frame_count(source) or 0)
    return frame_count(source, stride=config.every or EVERY) or 0


def _file_names(source: Source) -> dict[Path | None, str]:
    """How the pictures of each video begin: its name, with the suffix or even a number where two would be the same."""
    flat = [PurePosixPath(UNLISTED.sub("-", name)) for name in source.names]
    stems = Counter(name.stem.casefold() for name in flat)
    chosen: dict[str, str] = {}
    for name in flat:
        plain = name.name if stems[name.stem.casefold()] > 1 else name.stem
        numbered = chain([plain], (f"{plain}-{number}" for number in count(2)))
        free = next(candidate for candidate in numbered if candidate.casefold() not in chosen)
        chosen[free.casefold()] = free
    return dict(zip(source.files, chosen.values(), strict=True))


def _write(target: Path, picture: NDArray[np.uint8], quality: int) -> None:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    write_file(target, encoded.tobytes())
