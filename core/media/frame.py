"""One image of a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CORRUPT = "the decoder flagged it as corrupt"
"""Damage of a frame of video."""


@dataclass(frozen=True)
class Frame:
    """An image, or one frame of a video or stream.

    Attributes:
        index: Position in the source, over all its files, skipped frames counted.
        name: Unique in the source: the file's name in it, for video with the number of the frame,
            e.g. ``street/0001.jpg`` or ``street.mp4#12``.
        path: The file, None for a stream.
        number: Position in the file; 0 for an image.
        picture: uint8 BGR [H, W, 3].
        seconds: Time in the video; for a stream, since its first frame; None for an image.
        rate: Frames per second of the video, None where not known and for images.
        damaged: Why the frame or image is damaged though it was decoded; empty where nothing is known to be wrong.
    """

    index: int
    name: str
    path: Path | None
    number: int
    picture: NDArray[np.uint8]
    seconds: float | None = None
    rate: float | None = None
    damaged: str = ""
