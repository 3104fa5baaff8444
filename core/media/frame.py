"""An image of a source: an image file or one frame of a video or stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CORRUPT = "the decoder flagged it as corrupt"
"""Text of ``Frame.damaged`` for frames of video."""


@dataclass(frozen=True)
class Frame:
    """An image, or one frame of a video or stream.

    Attributes:
        index: Position in the source across all its files, skipped frames included.
        name: Unique name: the file's name in the source, for video with the frame number, e.g. ``street/0001.jpg`` or
            ``street.mp4#12``.
        path: The file; None for a stream.
        number: Position in the file; 0 for an image.
        picture: uint8 BGR [H, W, 3].
        seconds: Time in the video, for a stream since its first frame; None for an image.
        rate: Frames per second of the video; None if unknown and for images.
        damaged: Damage that the decoder reported; empty for none.
    """

    index: int
    name: str
    path: Path | None
    number: int
    picture: NDArray[np.uint8]
    seconds: float | None = None
    rate: float | None = None
    damaged: str = ""
