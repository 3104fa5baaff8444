"""Stage ``frames``: write frames of a video as images, for annotation or calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import ImageList
from core.errors import HooklineError
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from stages.frames.config import FramesConfig, Order

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def frames(config: FramesConfig, context: RunContext) -> ImageList:
    """Write frames as images, and a list of them."""
    from stages.frames.extracting import extract

    return extract(config, context)


def check(config: FramesConfig) -> Iterable[HooklineError]:
    """Yield errors for options that exclude each other, and for a source that is not a video."""
    from core.media.source import SourceKind, list_source

    if config.every is not None and config.count is not None:
        yield HooklineError("both frames.every and frames.count are given", "give one of them")
    if config.order is Order.random and config.count is None:
        yield HooklineError("frames.order=random needs the number of frames", "set frames.count=<number>")
    if config.source is None:
        yield HooklineError("frames has no source", "give source=<video, folder or glob of videos>")
        return
    try:
        source = list_source(config.source)
    except HooklineError as problem:
        yield problem
        return
    if source.kind is SourceKind.stream:
        yield HooklineError(f"frames does not read streams, got '{source.text}'", "record it and give the video file")
    elif source.kind is SourceKind.pictures:
        yield HooklineError(f"'{source.text}' contains images", "give a video")


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Yield the stage; it is not stored, because the store would hold a second copy of each image."""
    yield Stage(
        name="frames",
        summary="write frames of a video as images",
        run=frames,
        check=check,
        stored=False,
        automatic=False,
        incremental=True,
    )
