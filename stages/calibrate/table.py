"""Calibration tables: import from a cache, write, and check the options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import CalibrationTable, OnnxModel
from core.calibration import (
    MAX_BYTES,
    STEPS,
    Ranges,
    TensorRange,
    TensorRtCache,
    model_of,
    read_bounded,
    read_tensorrt_cache,
    write_tensorrt_cache,
)
from core.errors import HooklineError, shown
from core.files.paths import user_path
from core.files.regular_file import open_regular
from core.inference.calibration_images import source_problems
from core.kinds.context import RunContext
from core.storage.digest import file_digest

if TYPE_CHECKING:
    from stages.calibrate.config import CalibrateConfig

METHOD = "tensorrt-cache"


def cache_problems(config: CalibrateConfig) -> Iterator[HooklineError]:
    """Yield the problems of the cache file and its header that are known before the run."""
    path = user_path(config.cache or "")
    try:
        with open_regular(path, MAX_BYTES) as file:
            header = file.readline(256).decode(errors="replace").rstrip("\r\n")
    except OSError as error:
        yield HooklineError(
            f"cannot read the calibration cache '{path}' ({error.strerror})",
            "give a calibration cache: the text file that TensorRT writes",
        )
        return
    if header.startswith("{"):
        yield HooklineError(
            f"'{path}' is a calibration table, not a cache", "give the file calibration.cache in the same folder"
        )
    elif not model_of(header) and not config.trust_cache:
        yield HooklineError(
            f"the calibration cache '{path}' does not say which model it was made for (its header is {shown(header)})",
            "if it was made for exactly this ONNX file, set calibrate.trust_cache=true; else omit calibrate.cache",
        )


def import_cache(config: CalibrateConfig, model: OnnxModel, context: RunContext) -> CalibrationTable:
    """Return the table of a cache. A cache has magnitudes only, so every range is symmetric.

    Raises:
        HooklineError: The file is not a calibration cache, or was made for another model.
    """
    path, digest = user_path(config.cache or ""), file_digest(model.path)
    cache = read_tensorrt_cache(read_bounded(path))
    if cache.model not in {"", digest}:
        raise HooklineError(
            f"the calibration cache '{path}' was made for another model (sha256 {cache.model[:12]}..., "
            f"'{model.path.name}' has {digest[:12]}...): other weights, input size or export options",
            "omit calibrate.cache to calibrate this model",
        )
    ranges = Ranges(
        method=METHOD,
        pictures=0,
        model=digest,
        data=file_digest(path),
        preprocessing="",
        tensors={name: symmetric(scale * STEPS) for name, scale in cache.scales.items()},
        header=cache.header,
    )
    return write_table(ranges, context.workdir, tuple(_notes(path, cache, model)))


def symmetric(amax: float) -> TensorRange:
    """Return the range of a magnitude."""
    return TensorRange(min=-amax, max=amax, low=-amax, high=amax, amax=amax)


def _notes(path: Path, cache: TensorRtCache, model: OnnxModel) -> Iterator[str]:
    """Check that the tensors are those of the model, and yield notes for users of the table."""
    fitting = _fitting(path, cache.scales, model)
    origin = cache.header.partition(" model=")[0][:80]
    yield f"the ranges come from a calibration cache ({origin}), which does not name its images"
    if not cache.model:
        yield (
            "the calibration cache was trusted (calibrate.trust_cache=true): nothing shows that it was "
            "made for this model, and with the ranges of another training the engine is silently wrong"
        )
    if fitting:
        yield fitting


def _fitting(path: Path, scales: Mapping[str, float], model: OnnxModel) -> str:
    """Return a note on tensors that do not match; empty if all match."""
    from core.files.onnx_file import read_onnx

    graph = read_onnx(model.path).graph
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(name for node in graph.node if node.op_type == "Constant" for name in node.output)
    names = {item.name for item in graph.input} | {name for node in graph.node for name in node.output}
    names -= constants
    foreign, lacking = scales.keys() - names, names - scales.keys()
    if len(foreign) == len(scales):
        raise HooklineError(
            f"the calibration cache '{path}' was made for another model: none of its {len(scales)} tensors is in "
            f"'{model.path.name}'",
            "omit calibrate.cache to calibrate this model",
        )
    if not foreign and not lacking:
        return ""
    return (
        f"of {len(scales)} tensors in the calibration cache {len(foreign)} are not in the model, and "
        f"{len(lacking)} of the model's {len(names)} tensors are not in the cache"
    )


def problems(config: CalibrateConfig) -> Iterator[HooklineError]:
    """Yield the problems of the options that are known before the run."""
    if not config.cache:
        yield from source_problems(config, "calibrate")
        return
    if config.source:
        yield HooklineError("both calibrate.source and calibrate.cache are given", "give one of them")
    yield from cache_problems(config)


TABLE = "calibration.json"
CACHE = "calibration.cache"


def write_table(ranges: Ranges, folder: Path, notes: tuple[str, ...] = ()) -> CalibrationTable:
    """Write both files into ``folder``."""
    ranges.write(folder / TABLE)
    scales = {name: found.amax / STEPS for name, found in ranges.tensors.items()}
    text = write_tensorrt_cache(scales, method=ranges.method, model=ranges.model, header=ranges.header)
    (folder / CACHE).write_text(text, encoding="utf-8")
    return CalibrationTable(path=folder / TABLE, notes=notes, method=ranges.method, pictures=ranges.pictures)
