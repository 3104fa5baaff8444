"""The files of a calibration table: JSON, and beside it the cache text of TensorRT."""

from __future__ import annotations

from pathlib import Path

from core.artifacts import CalibrationTable
from core.calibration import STEPS, Ranges, write_tensorrt_cache

TABLE = "calibration.json"
CACHE = "calibration.cache"


def write_table(ranges: Ranges, folder: Path, notes: tuple[str, ...] = ()) -> CalibrationTable:
    """Write both files into ``folder``."""
    ranges.write(folder / TABLE)
    scales = {name: found.amax / STEPS for name, found in ranges.tensors.items()}
    text = write_tensorrt_cache(scales, method=ranges.method, model=ranges.model, header=ranges.header)
    (folder / CACHE).write_text(text, encoding="utf-8")
    return CalibrationTable(path=folder / TABLE, notes=notes, method=ranges.method, pictures=ranges.pictures)
