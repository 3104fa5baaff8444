"""What can be told of the options of a build before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.artifacts import Precision
from core.errors import HooklineError
from core.known import Known, refusals
from core.registry import AUTO
from core.spans import read_batch, read_size

if TYPE_CHECKING:
    from core.context import RunContext
    from stages.build import BuildConfig


def problems(config: BuildConfig, context: RunContext) -> Iterator[HooklineError]:
    """Every problem, one after the other."""
    yield from _refused(config, context)
    for value, read in ((config.batch, read_batch), (config.imgsz, read_size)):
        try:
            if value is not None:
                read(value)
        except HooklineError as problem:
            yield problem
    if config.calibrated:
        yield from _calibration_problems(config)


def fitting_problems(config: BuildConfig, model: Known) -> Iterator[HooklineError]:
    """Yield what does not fit the model that the engine is built of."""
    title = model.title or "the model"
    if model.runtime is not None and config.backend not in {AUTO, model.runtime}:  # auto: no backend can be used here
        yield HooklineError(
            f"{title} was quantised by the rules of '{model.runtime}', the backend is '{config.backend}'",
            f"quantise it again with backend={config.backend}, or build with backend={model.runtime}",
        )
    if model.max_stride is not None and config.imgsz is not None:
        yield from refusals(read_size, config.imgsz, model.max_stride)
    asked = config.precision
    if model.precision is None:
        return
    if config.calibrated and model.precision is not Precision.fp32:
        yield HooklineError(
            f"{title} is {model.precision.value} already, a calibrator takes a float32 model",
            "set build.int8=qdq, or start from a float32 model",
        )
    if not config.calibrated and asked is not None and asked is not model.precision:
        yield HooklineError(
            f"build.precision is {asked.value}, but {title} is {model.precision.value}",
            f"set precision={asked.value} for all stages, and leave build.precision and quantize.precision out",
        )


def _calibration_problems(config: BuildConfig) -> Iterator[HooklineError]:
    from core.calibration_pictures import source_problems
    from stages.build import Method

    if config.precision is not Precision.int8:
        asked = config.precision.value if config.precision else "null"
        yield HooklineError(
            f"build.int8=calibrator makes int8, but build.precision is {asked}",
            "set precision=int8, or leave build.int8 out",
        )
    if config.method is Method.table:
        return
    yield from source_problems(config, "build")


def _refused(config: BuildConfig, context: RunContext) -> Iterator[HooklineError]:
    """Options that only other runtimes have."""
    runtimes = context.registry.parts("runtimes")
    if config.backend not in runtimes:
        return  # told already
    given = {
        "batch": config.batch is not None,
        "imgsz": config.imgsz is not None,
        "int8": config.calibrated,
        "compute_capabilities": bool(config.compute_capabilities),
    }
    yield from runtimes[config.backend].check_build(config)
    for word in (word for word, there in given.items() if there):
        takers = sorted(name for name, runtime in runtimes.items() if word in runtime.build_options)
        if config.backend not in takers:
            others = f", or set backend={' or '.join(takers)}" if takers else ""
            yield HooklineError(f"{config.backend} takes no build.{word}", f"leave it out{others}")
