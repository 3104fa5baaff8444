"""Options of the stage ``dataset``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from core.options.fields import shared


class Bad(str, Enum):
    """What becomes of pictures with an error: the stage stops, or they are left out and counted."""

    stop = "stop"
    skip = "skip"


@dataclass
class DatasetConfig:
    """Options of the stage.

    Attributes:
        data: Path of the data.yaml.
        bad: On images that cannot be read and labels that are wrong: `stop`, or `skip` those images.
        report: Draw charts, sample images and report.html; report.json is always written.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
    """

    data: str | None = shared("data", place=True)
    bad: Bad = Bad.stop
    report: bool = True
    max_pixels: int = shared("max_pixels")
