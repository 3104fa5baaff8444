"""Options of the stage ``frames``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from core.media.choices import OnError
from core.options.fields import shared
from core.options.ranges import Positive, Range

DEFAULT_EVERY = 15


class Order(str, Enum):
    """Selection of ``frames.count`` frames: ``regular``, at equal intervals, or ``random``, drawn by ``seed``."""

    regular = "regular"
    random = "random"


@dataclass
class FramesConfig:
    """Options of the stage.

    Attributes:
        source: A video, a folder or glob of videos, or a list of them.
        every: Write every N-th frame; null: 15, unless count is set.
        count: Write N frames in total.
        order: Which frames `count` selects: at equal intervals (`regular`), or drawn by `seed` (`random`); they are
            written in the order of the video.
        min_change: Skip frames whose mean absolute difference from the last written frame is smaller, in grey levels;
            0 writes all.
        quality: Quality of the JPEG files.
        on_error: Unreadable videos: `auto` skips up to 5 % of them, or one; `skip` skips any number; `stop` raises an
            error.
        max_pixels: Maximum width x height of a frame, checked in the header before decoding.
    """

    source: Any = shared("source", place=True)
    every: Positive | None = None
    count: Positive | None = None
    order: Order = Order.regular
    min_change: Annotated[float, Range(0, 255)] = 0.0
    quality: Annotated[int, Range(1, 100)] = 95
    on_error: OnError = OnError.auto
    max_pixels: int = shared("max_pixels")
