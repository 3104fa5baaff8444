"""Stage ``calibrate``: pictures go through a float model and the range of every activation is noted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.artifacts import Artifact, CalibrationTable, Dataset, OnnxModel
from core.config import chosen, fingerprinted, place, presentation, shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.media.tolerance import OnError
from core.ranges import BatchSize, Positive
from core.stage import Stage
from core.user_paths import user_path

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class CalibrateConfig:
    """Options of the stage.

    Attributes:
        source: Images or video to calibrate on: folder, glob, .txt list, files. null: the split of
            the data set that ``data`` names; without one a short street video, which is said loudly.
        data: Path of the data.yaml.
        split: Of the data set.
        pictures: Maximum number of images; from more, this many are drawn by ``seed``.
        batch: Images per inference, where the model's batch is dynamic.
        calibrator: How ranges are found.
        processor: Letterbox and normalisation.
        runtime: What runs the float model: a backend that records activations; auto: ``backend`` where it does.
        on_error: Images or videos that cannot be read: `auto` skips up to 5 % of them, but always one; `skip` any
            number; `stop` none. A stored result is only reused for the same value.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
        cache: A calibration cache to take the ranges from instead of images: calibration.cache of this stage, or one
            that TensorRT wrote. A cache that names another model is an error.
        trust_cache: Accept a cache that does not name its model, as TensorRT's own. With the ranges of another model
            the engine is silently wrong.
    """

    source: Any = place(None)
    data: str | None = shared("data", place=True)
    split: str = fingerprinted("train")
    pictures: Positive = 200
    batch: BatchSize = 1
    calibrator: str = shared("calibrator", kind="calibrators")
    processor: str = shared("processor", kind="processors")
    runtime: str = chosen("auto", kind="runtimes", fact="taps", versioned=False)
    on_error: OnError = OnError.auto
    max_pixels: int = shared("max_pixels")
    cache: str | None = place(None)
    trust_cache: bool = presentation(default=False)


def calibrate(
    config: CalibrateConfig, model: OnnxModel, dataset: Dataset | None, context: RunContext
) -> CalibrationTable:
    """Find the range of every activation of ``model``."""
    from stages.calibrate.cached import import_cache
    from stages.calibrate.observing import observe_pictures

    for problem in check(config):
        raise problem
    if config.cache:
        return import_cache(config, model, context)
    return observe_pictures(config, model, dataset, context)


def select(config: CalibrateConfig) -> Collection[type[Artifact]]:
    """The data set, where one is given or made and the pictures come from nowhere else."""
    return {OnnxModel} if config.source or config.cache else {OnnxModel, Dataset}


def fingerprint(config: CalibrateConfig, context: RunContext) -> Mapping[str, str]:
    """Return the content of the images or of the cache, whichever the ranges come from."""
    from core.calibration_pictures import source_digest
    from core.digest import file_digest

    if config.cache:
        return {"cache": file_digest(user_path(config.cache))}
    return source_digest(config, context)


def check(config: CalibrateConfig) -> Iterable[HooklineError]:
    """A source or cache that is not there."""
    from stages.calibrate.sources import problems

    yield from problems(config)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="calibrate",
        summary="find the range of every activation, for int8",
        run=calibrate,
        packages=("av", "numpy", "opencv"),
        select=select,
        fingerprint=fingerprint,
        check=check,
    )
