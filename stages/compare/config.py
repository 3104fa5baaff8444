"""Options of the stage ``compare``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.options.fields import place, shared
from core.options.ranges import Fraction, ImageDepth, NonNegative, Positive


@dataclass
class CompareConfig:
    """Options of the stage.

    Attributes:
        reference: The model to compare with: a file that hookline built. Its ``.json`` must be in the same folder.
        source: Images or video on which both models run.
        pictures: Maximum number of images, drawn from the source.
        inferences: Minimum number of timed inferences per model. With fewer images, each is run several times.
        warmup: Untimed inferences per model at the start.
        conf: Minimum score of a box, 0..1; null: 0.25.
        iou: IoU threshold of NMS, 0..1; null: 0.45.
        max_det: Maximum number of boxes per image.
        classes: Only these classes, names or numbers; null: all.
        processor: Pre- and post-processing.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
        image_depth: Value that becomes 255 in images with more than 8 bits per channel: auto, full or a number.
    """

    reference: str | None = place(None)
    source: Any = shared("source", place=True)
    pictures: Positive = 100
    inferences: Positive = 100
    warmup: NonNegative = 5
    conf: Fraction | None = shared("conf")
    iou: Fraction | None = shared("iou")
    max_det: Positive = shared("max_det")
    classes: Any = shared("classes")
    processor: str = shared("processor", kind="processors")
    max_pixels: int = shared("max_pixels")
    image_depth: ImageDepth = shared("image.depth")
