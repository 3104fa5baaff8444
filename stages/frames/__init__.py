"""Stage ``frames``: a video becomes pictures, to be annotated or to calibrate with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from core.artifacts import Pictures
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.media.source import SourceKind, list_source
from core.media.tolerance import OnError
from core.ranges import Positive, Range
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

EVERY = 15


@dataclass
class FramesConfig:
    """Options of the stage.

    Attributes:
        source: A video, a folder or glob of videos, or a list of them.
        every: Take each so many frames; null: 15, unless count is given.
        count: Take so many frames in all, at equal distances.
        min_change: Skip a frame that differs less from the last one taken: mean grey levels, 0..255; 0 takes all.
        quality: Of the JPEG files, 1 to 100.
        on_error: Videos that cannot be read: `auto` skips up to 5 % of them, but always one; `skip` any number;
            `stop` none.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
    """

    source: Any = shared("source", place=True)
    every: Positive | None = None
    count: Positive | None = None
    min_change: Annotated[float, Range(0, 255)] = 0.0
    quality: Annotated[int, Range(1, 100)] = 95
    on_error: OnError = OnError.auto
    max_pixels: int = shared("max_pixels")


def frames(config: FramesConfig, context: RunContext) -> Pictures:
    """Write the frames and a list of them."""
    from stages.frames.extracting import extract

    return extract(config, context)


def check(config: FramesConfig) -> Iterable[HooklineError]:
    """Options that exclude each other, and a source that is not a video."""
    if config.every is not None and config.count is not None:
        yield HooklineError("both frames.every and frames.count are given", "give one of them")
    if config.source is None:
        yield HooklineError("frames has no video", "give source=<video, folder or glob of videos>")
        return
    try:
        source = list_source(config.source)
    except HooklineError as problem:
        yield problem
        return
    if source.kind is SourceKind.stream:
        yield HooklineError(f"the stream '{source.text}' has no end", "record it and give the video file")
    elif source.kind is SourceKind.pictures:
        yield HooklineError(f"'{source.text}' holds images already", "give a video")


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package. Not stored: the store would hold a second copy of every picture."""
    yield Stage(
        name="frames",
        summary="write frames of a video as images",
        run=frames,
        check=check,
        stored=False,
        automatic=False,
        incremental=True,
    )
