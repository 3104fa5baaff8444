"""Options of the stage ``frames``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from core.media.tolerance import OnError
from core.options.fields import shared
from core.options.ranges import Positive, Range

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
