"""Reads a video once and writes the frames that are wanted. Heavy: imports OpenCV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from core.artifacts import Pictures
from core.errors import HooklineError
from core.media.ahead import ahead
from core.media.frame import Frame
from core.media.reader import frame_count, read_frames, spread_frames
from core.media.source import Source, list_source
from core.media.tolerance import Tolerance
from stages.frames import EVERY, FramesConfig

if TYPE_CHECKING:
    from core.context import RunContext

LISTING = "pictures.txt"
FOLDER = "images"  # labels find their place beside it, in labels/
SMALL = (32, 32)


def extract(config: FramesConfig, context: RunContext) -> Pictures:
    """Write the frames that the config asks for as JPEG, and a list of them.

    Raises:
        HooklineError: A video cannot be opened or has no frames.
    """
    source = list_source(config.source)
    names, change = _file_names(source), _Change(config.min_change)
    folder = context.workdir / FOLDER
    folder.mkdir()
    written: list[str] = []
    looked = 0
    with (
        ahead(_wanted(config, source, Tolerance(None, context.warn))) as found,
        context.progress("write frames", _total(config, source), "frames") as progress,
    ):
        for frame in found:
            looked += 1
            if change.enough(frame.picture):
                written.append(f"{names[frame.path]}-{frame.number:06d}.jpg")
                _write(folder / written[-1], frame.picture, config.quality)
            progress.advance(note=f"{len(written)} written" if config.min_change else "")
    if not written:
        raise HooklineError(f"no frame of '{source.text}' could be read", "check that it plays elsewhere")
    listing = context.workdir / LISTING
    lines = "".join(f"{FOLDER}/{name}\n" for name in written)
    listing.write_text(lines, encoding="utf-8", errors="surrogateescape")
    skipped = looked - len(written)
    context.note(
        f"{len(written)} pictures written" + (f", {skipped} skipped that changed too little" if skipped else "")
    )
    return Pictures(path=listing, values={"pictures": len(written), "skipped": skipped})


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
    flat = [PurePosixPath(name.replace("/", "-")) for name in source.names]
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
    target.write_bytes(encoded.tobytes())
