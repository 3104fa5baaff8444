"""Check the options of a build before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from core.errors import HooklineError
from core.inference.calibration_images import source_problems
from core.kinds.building import BuildRequest
from core.kinds.lookup import AUTO
from core.kinds.runtime import Runtime
from core.kinds.stage import Known
from core.model_facts import CalibrationInput, Precision
from core.options.sizes import read_batch, read_size
from core.planning.known import refusals

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.build.config import BuildConfig

T = TypeVar("T")


def problems(config: BuildConfig, context: RunContext) -> Iterator[HooklineError]:
    """Yield every problem of the options."""
    found: list[HooklineError] = []
    request = BuildRequest(
        precision=config.precision,
        batch=_read(read_batch, config.batch, found),
        imgsz=_read(read_size, config.imgsz, found),
        device=context.device,
    )
    yield from found
    runtimes = context.registry.all(Runtime)
    if config.backend in runtimes:  # unknown names are reported elsewhere
        runtime = runtimes[config.backend]
        yield from runtime.check_build(context.options("runtimes", config.backend), request)
        if not runtime.shapes:
            yield from _refused_sizes(config, runtimes)
        yield from _idle_calibration(config, runtime, context)
    if config.calibration(context) is CalibrationInput.images:
        yield from source_problems(config, "build")


def fitting_problems(config: BuildConfig, model: Known, context: RunContext) -> Iterator[HooklineError]:
    """Yield the options that do not fit the model."""
    title = model.title or "the model"
    if model.runtime is not None and config.backend not in {AUTO, model.runtime}:  # auto: no backend is usable here
        yield HooklineError(
            f"{title} was quantised by the rules of '{model.runtime}', but the backend is '{config.backend}'",
            f"quantise it again with backend={config.backend}, or build with backend={model.runtime}",
        )
    if model.max_stride is not None and config.imgsz is not None:
        yield from refusals(read_size, config.imgsz, model.max_stride)
    requested = config.precision
    if model.precision is None:
        return
    calibrated = config.calibration(context) is not CalibrationInput.none
    if calibrated and model.precision is not Precision.fp32:
        yield HooklineError(
            f"{title} is already {model.precision.value}, but {config.backend} can quantise float32 models only",
            f"start from a float32 model, or change the options runtimes.{config.backend}.*",
        )
    if not calibrated and requested is not None and requested is not model.precision:
        yield HooklineError(
            f"build.precision is {requested.value}, but {title} is {model.precision.value}",
            f"set precision={requested.value} for all stages, and remove build.precision and quantize.precision",
        )


def machine_of(backend: str, context: RunContext) -> dict[str, str]:
    """Return the machine facts that a new engine depends on."""
    runtime = context.registry.get(Runtime, backend)
    portable = runtime.portable(context.options("runtimes", backend))
    machine = context.runtime(backend).machine(context.device)
    return {name: value for name, value in machine.items() if name not in portable}


def _read(read: Callable[[object], T], value: object, problems: list[HooklineError]) -> T | None:
    """Read a value; return None if it is not given or wrong, and add the error to ``problems``."""
    try:
        return None if value is None else read(value)
    except HooklineError as problem:
        problems.append(problem)
        return None


def _idle_calibration(config: BuildConfig, runtime: Runtime, context: RunContext) -> Iterator[HooklineError]:
    """Yield an error if the runtime's options request a calibration, but the build is not for int8."""
    needed = runtime.calibrates(context.options("runtimes", runtime.name))
    if needed is not CalibrationInput.none and config.precision is not Precision.int8:
        requested = config.precision.value if config.precision else "null"
        yield HooklineError(
            f"the options of {runtime.name} request an int8 calibration, but build.precision is {requested}",
            f"set precision=int8, or remove that option of runtimes.{runtime.name}",
        )


def _refused_sizes(config: BuildConfig, runtimes: Mapping[str, Runtime]) -> Iterator[HooklineError]:
    """Yield the size ranges that the runtime does not support."""
    supporting = sorted(name for name, runtime in runtimes.items() if runtime.shapes)
    others = f", or set backend={' or '.join(supporting)}" if supporting else ""
    for option in ("batch", "imgsz"):
        if getattr(config, option) is not None:
            yield HooklineError(f"{config.backend} does not support build.{option}", f"remove it{others}")
