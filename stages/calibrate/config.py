"""Options of the stage ``calibrate``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.media.choices import OnError
from core.options.fields import chosen, fingerprinted, place, presentation, shared
from core.options.ranges import BatchSize, Positive


@dataclass
class CalibrateConfig:
    """Options of the stage.

    Attributes:
        source: Images or video to calibrate on: folder, glob, .txt list, files. null: the split of the data set that
            ``data`` names; without a data set, a short street video and a warning.
        data: Path of the data.yaml.
        split: Split of the data set.
        pictures: Maximum number of images; from a larger source, this number is drawn by ``seed``.
        batch: Images per inference, if the batch of the model is dynamic.
        calibrator: Method that finds the ranges.
        processor: Letterbox and normalisation.
        runtime: Runtime of the float model; it must record activations. auto: ``backend`` if it does.
        on_error: Images or videos that cannot be read: `auto` skips up to 5 % of them, but always one; `skip` any
            number; `stop` none. A stored result is only reused for the same value.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
        cache: Calibration cache to import the ranges from, instead of images: calibration.cache of this stage or of
            TensorRT. A cache that names another model is an error.
        trust_cache: Accept a cache that does not name its model, such as one of TensorRT. With the ranges of another
            model the engine is silently wrong.
    """

    source: Any = place(None)
    data: str | None = shared("data", place=True)
    split: str = fingerprinted("train")
    pictures: Positive = 200
    batch: BatchSize = 1
    calibrator: str = shared("calibrator", kind="calibrators")
    processor: str = shared("processor", kind="processors")
    runtime: str = chosen("auto", kind="runtimes", fact="records_activations", versioned=False)
    on_error: OnError = OnError.auto
    max_pixels: int = shared("max_pixels")
    cache: str | None = place(None)
    trust_cache: bool = presentation(default=False)
