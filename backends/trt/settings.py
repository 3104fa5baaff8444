"""Optimisation profiles, and the options of an ``IBuilderConfig``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.trt.builder_types import IBuilderConfig
from backends.trt.library import Library
from backends.trt.options import Hardware, TrtOptions
from core.artifacts import GraftedModel
from core.errors import HooklineError, unknown
from core.model_facts import InputContract
from core.options.sizes import Span

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class SizeProfile:
    """An optimisation profile.

    Attributes:
        name: Name of the input tensor.
        min, opt, max: Minimum, optimum and maximum shape, [B, 3, H, W].
    """

    name: str
    min: Shape
    opt: Shape
    max: Shape

    def __str__(self) -> str:
        return " ".join("x".join(map(str, shape)) for shape in (self.min, self.opt, self.max))


def read_profile(
    model: GraftedModel, batch: Span[int] | None = None, imgsz: Span[tuple[int, int]] | None = None
) -> tuple[SizeProfile | None, InputContract]:
    """Return the profile of an engine and the input contract of its sessions.

    Args:
        model: The grafted model.
        batch, imgsz: As ``build.batch`` and ``build.imgsz``; None: those of the model's contract.

    Returns:
        The profile, None if every axis is static; the contract.

    Raises:
        HooklineError: A requested axis is static in the model; names the export option that makes it dynamic.
    """
    contract = model.contract
    size = (contract.height, contract.width)
    batches = batch or Span(contract.batch, contract.batch, contract.batch)
    sizes = imgsz or Span(size, size, size)
    heights = Span(sizes.min[0], sizes.opt[0], sizes.max[0])
    widths = Span(sizes.min[1], sizes.opt[1], sizes.max[1])
    spans = {"batch": batches, "height": heights, "width": widths}
    for axis, span in spans.items():
        _check_axis(model, axis, span, "batch" if axis == "batch" else "imgsz")
    free = tuple(axis for axis in contract.dynamic if not spans[axis].fixed)
    opened = replace(contract, batch=batches.opt, height=heights.opt, width=widths.opt, dynamic=free)
    if not contract.dynamic:
        return None, opened
    shapes = ((getattr(batches, at), 3, getattr(heights, at), getattr(widths, at)) for at in ("min", "opt", "max"))
    return SizeProfile(contract.name, *shapes), opened


def _check_axis(model: GraftedModel, axis: str, span: Span[int], option: str) -> None:
    static = getattr(model.contract, axis)
    if axis in model.contract.dynamic or (span.fixed and span.opt == static):
        return
    requested = str(span.opt) if span.fixed else f"{span.min} to {span.max}"
    axes = ",".join([*model.contract.dynamic, *(["batch"] if option == "batch" else ["height", "width"])])
    other = f"set {'export.batch' if option == 'batch' else 'imgsz'}={span.opt}, or " if span.fixed else "set "
    raise HooklineError(
        f"build.{option} requests a {axis} of {requested}, but '{model.path.name}' has a static {axis} of {static}",
        f"{other}export.dynamic=[{axes}], and export the model again",
    )


GIB = 2**30


def apply_options(library: Library, config: IBuilderConfig, options: TrtOptions) -> None:
    """Apply the runtime options to a build. The plan describes all layers, so that their precision can be read.

    Raises:
        HooklineError: This TensorRT release does not have a requested option.
    """
    trt = library.trt
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(options.workspace * GIB))
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.tactic_sources is not None:
        _set_tactic_sources(library, config, options.tactic_sources)
    if options.hardware is not Hardware.this:
        _set_hardware(library, config, options.hardware)
    if options.version_compatible:
        _require(library, "version_compatible", present=library.capabilities.version_compatible)
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.dla is not None:
        _set_dla(library, config, options.dla)


def _set_tactic_sources(library: Library, config: IBuilderConfig, names: Sequence[str]) -> None:
    possible = library.capabilities.tactic_sources
    bits = 0
    for name in names:
        if name.upper() not in possible:
            raise unknown(f"tactic source of {library.title} {library.version}", name, possible)
        bits |= 1 << int(library.trt.TacticSource.__members__[name.upper()])
    if not config.set_tactic_sources(bits):
        raise HooklineError(
            f"{library.title} refuses the tactic sources {', '.join(names)}", "remove runtimes.tensorrt.tactic_sources"
        )


def _set_hardware(library: Library, config: IBuilderConfig, hardware: Hardware) -> None:
    level = hardware.value.upper()
    _require(library, f"hardware={hardware.value}", present=level in library.capabilities.hardware_levels)
    config.hardware_compatibility_level = library.trt.HardwareCompatibilityLevel.__members__[level]


def _set_dla(library: Library, config: IBuilderConfig, core: int) -> None:
    trt = library.trt
    _require(library, "dla", present=library.capabilities.dla)
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _require(library: Library, option: str, *, present: bool) -> None:
    if not present:
        raise HooklineError(
            f"{library.title} {library.version} does not support runtimes.tensorrt.{option}",
            "remove the option, or install another release",
        )
