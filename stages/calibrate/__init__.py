"""Stage ``calibrate``: run images through a float model and record the range of every activation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, Dataset, OnnxModel
from core.errors import HooklineError
from core.files.paths import user_path
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from core.storage.digest import file_digest
from stages.calibrate.config import CalibrateConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def calibrate(
    config: CalibrateConfig, model: OnnxModel, dataset: Dataset | None, context: RunContext
) -> CalibrationTable:
    """Find the range of every activation of ``model``."""
    from stages.calibrate.calibrating import calibrate_model

    return calibrate_model(config, model, dataset, context)


def select(config: CalibrateConfig) -> Collection[type[Artifact]]:
    """Return the inputs: the data set counts only if neither a source nor a cache is given."""
    return {OnnxModel} if config.source or config.cache else {OnnxModel, Dataset}


def fingerprint(config: CalibrateConfig, context: RunContext) -> Mapping[str, str]:
    """Return the digest of the images or of the cache that the ranges come from."""
    from core.inference.calibration_images import source_digest

    if config.cache:
        return {"cache": file_digest(user_path(config.cache))}
    return source_digest(config, context)


def check(config: CalibrateConfig) -> Iterable[HooklineError]:
    """Yield a missing or unusable source or cache."""
    from stages.calibrate.table import problems

    yield from problems(config)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    yield Stage(
        name="calibrate",
        summary="find the range of every activation, for int8",
        run=calibrate,
        packages=("av", "numpy", "opencv", "pillow-heif"),
        select=select,
        fingerprint=fingerprint,
        check=check,
    )
