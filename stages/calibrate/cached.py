"""Ranges out of a calibration cache of TensorRT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import CalibrationTable, OnnxModel
from core.calibration import Ranges, TensorRange, read_tensorrt_cache
from core.context import RunContext
from core.digest import file_digest
from core.errors import HooklineError
from stages.calibrate.tables import STEPS, write_table

if TYPE_CHECKING:
    from stages.calibrate import CalibrateConfig

METHOD = "tensorrt-cache"


def import_cache(config: CalibrateConfig, model: OnnxModel, context: RunContext) -> CalibrationTable:
    """The table of a cache. It only knows magnitudes, so every range is symmetric.

    Raises:
        HooklineError: The file is no calibration cache, or names no tensor.
    """
    path = Path(config.cache or "")
    try:
        header, scales = read_tensorrt_cache(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise HooklineError(f"'{path}' is not text", "give the calibration cache that TensorRT wrote") from error
    if not scales:
        raise HooklineError(f"the calibration cache '{path}' names no tensor", "give the file that TensorRT wrote")
    digest = file_digest(path)
    ranges = Ranges(
        method=METHOD,
        pictures=0,
        model=file_digest(model.path),
        data=digest,
        preprocessing="",
        tensors={name: symmetric(scale * STEPS) for name, scale in scales.items()},
        header=header,
    )
    note = f"the ranges come from a calibration cache of TensorRT ({header}), which does not name its images"
    return write_table(ranges, context.workdir, (note,))


def symmetric(amax: float) -> TensorRange:
    """The range of which only the magnitude is known."""
    return TensorRange(min=-amax, max=amax, low=-amax, high=amax, amax=amax)
