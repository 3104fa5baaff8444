"""Options, images, context and results of the stage calibrate in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backends.calibrators.plugin import hookline_calibrators
from backends.cv.plugin import hookline_processors
from backends.graphsurgeon.plugin import hookline_quantizers
from backends.ort.plugin import hookline_runtimes
from backends.yolov5.plugin import hookline_models
from core.artifacts import CalibrationTable
from core.calibration import Ranges
from core.kinds.context import RunContext
from core.media.choices import MAX_PIXELS
from stages.calibrate.config import CalibrateConfig
from tests.support.quantize_tools import pictures
from tests.support.stage_tools import Memory, make_context


def config(**options: Any) -> CalibrateConfig:
    """Return the options of a calibration; the given ones replace the defaults."""
    defaults = {"data": None, "calibrator": "minmax", "processor": "opencv", "runtime": "onnxruntime"}
    return CalibrateConfig(max_pixels=MAX_PIXELS, **{**defaults, **options})


def shipped_context(folder: Path) -> tuple[RunContext, Memory]:
    """Return a context with the shipped parts of the way to int8."""
    parts = {
        "calibrators": list(hookline_calibrators()),
        "processors": list(hookline_processors()),
        "quantizers": list(hookline_quantizers()),
        "runtimes": list(hookline_runtimes()),
    }
    return make_context(folder, models=list(hookline_models()), **parts)


def write_images(folder: Path) -> Path:
    """Write six images for the tiny detector into a new folder."""
    folder.mkdir()
    for index, picture in enumerate(pictures(6)):
        pixels = (picture.transpose(1, 2, 0)[:, :, ::-1] * 255).round().astype(np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), pixels)
    return folder


def ranges_of(table: CalibrationTable) -> Ranges:
    """Return the ranges in the file of a table."""
    return Ranges.read(table.path)
