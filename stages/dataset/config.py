"""Options of the stage ``dataset``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from core.options.fields import shared
from core.options.ranges import ImageDepth
from core.options.sizes import DEFAULT, InputSize


class Bad(str, Enum):
    """Handling of images with an error: ``stop`` with an error, or ``skip`` and count them."""

    stop = "stop"
    skip = "skip"


@dataclass
class DatasetConfig:
    """Options of the stage.

    Attributes:
        data: Path of the data.yaml.
        bad: Unreadable images and invalid labels: `stop` with an error, or `skip` those images.
        only: Kinds of warnings and notes to report, e.g. `[leaked-picture]`; `[]`: all. Errors are always reported.
        skip: Kinds of warnings and notes not to report. Errors are always reported.
        strict: End the run with an error if there is a warning.
        imgsz: Input size of the network, at which a box can be too small.
        report: Write charts, sample images and report.html; report.json is always written.
        max_pixels: Maximum width x height of an image, checked in the header before decoding.
        image_depth: Value that becomes 255 in images with more than 8 bits per channel: auto, full or a number.
    """

    data: str | None = shared("data", place=True)
    bad: Bad = Bad.stop
    only: list[str] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    strict: bool = False
    imgsz: InputSize = shared("imgsz", otherwise=DEFAULT)
    report: bool = True
    max_pixels: int = shared("max_pixels")
    image_depth: ImageDepth = shared("image.depth")
