"""Stage ``frames``: a video becomes pictures, to be annotated or to calibrate with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import ImageList
from core.errors import HooklineError
from core.kinds.stage import Stage
from core.media.source import SourceKind, list_source
from core.plugins.hookspecs import hookimpl
from stages.frames.config import FramesConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def frames(config: FramesConfig, context: RunContext) -> ImageList:
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
