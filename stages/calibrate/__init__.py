"""Stage ``calibrate``: pictures go through a float model and the range of every activation is noted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, Dataset, OnnxModel
from core.errors import HooklineError
from core.files.paths import user_path
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from stages.calibrate.config import CalibrateConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def calibrate(
    config: CalibrateConfig, model: OnnxModel, dataset: Dataset | None, context: RunContext
) -> CalibrationTable:
    """Find the range of every activation of ``model``."""
    from stages.calibrate.observing import observe_pictures
    from stages.calibrate.table import import_cache

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
    from core.inference.calibration_images import source_digest
    from core.storage.digest import file_digest

    if config.cache:
        return {"cache": file_digest(user_path(config.cache))}
    return source_digest(config, context)


def check(config: CalibrateConfig) -> Iterable[HooklineError]:
    """A source or cache that is not there."""
    from stages.calibrate.table import problems

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
