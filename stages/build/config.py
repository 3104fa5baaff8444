"""Options of the stage ``build``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.model_facts import CalibrationInput, Precision
from core.options.fields import shared
from core.options.ranges import NonNegative, Positive

if TYPE_CHECKING:
    from core.kinds.context import RunContext


@dataclass
class BuildConfig:
    """Options of the stage.

    Attributes:
        backend: The runtime that builds the engine.
        warmup: Number of inferences to warm up the new engine.
        precision: Precision of the engine; null: that of the model. The model must already have it, unless the runtime
            quantises the model itself (``runtimes.tensorrt.int8=calibrator``).
        batch: Images per call: a number, or ``{min: 1, opt: 8, max: 16}``; null: that of the model.
        imgsz: Input size: pixels, ``[height, width]``, or ``{min: 320, opt: 640, max: 640}``; null: that of the model.
        source: Calibration images for a runtime that quantises the model itself; default: those of ``calibrate``.
        data: Path of the data.yaml, if ``source`` is null.
        split: Split of the data set.
        pictures: Maximum number of images; if there are more, ``seed`` selects this many.
        processor: Processor that prepares these images.
        max_pixels: Maximum width x height of an image or frame; checked in the header before decoding.
    """

    backend: str = shared("backend", kind="runtimes")
    warmup: NonNegative = 3
    precision: Precision | None = shared("precision")
    batch: Any = None
    imgsz: Any = None
    source: Any = shared("calibrate.source", place=True)
    data: str | None = shared("data", place=True)
    split: str = shared("calibrate.split", fingerprinted=True)
    pictures: Positive = shared("calibrate.pictures", fingerprinted=True)
    processor: str = shared("processor", kind="processors", fingerprinted=True)
    max_pixels: int = shared("max_pixels", fingerprinted=True)

    def calibration(self, context: RunContext) -> CalibrationInput:
        """Return what the runtime needs to quantise a float32 model itself; ``none`` if it does not."""
        from core.selection.choosing import own_calibration

        return own_calibration(self.backend, self.precision, context)
