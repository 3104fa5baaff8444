"""Size profiles, and the options on an ``IBuilderConfig``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.trt.bindings import IBuilderConfig
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
        name: Of the input tensor.
        min, opt, max: [B, 3, H, W]: the least, the one to be fastest at, the greatest.
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
    """The profile of an engine and the contract of its sessions; None where every axis is static.

    Args:
        model: The grafted model.
        batch, imgsz: As ``build.batch`` and ``build.imgsz``; None: what the model's contract says.

    Raises:
        HooklineError: An axis of the model is static; names the option of export that changes that.
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


def _check_axis(model: GraftedModel, axis: str, span: Span[int], word: str) -> None:
    static = getattr(model.contract, axis)
    if axis in model.contract.dynamic or (span.fixed and span.opt == static):
        return
    asked = str(span.opt) if span.fixed else f"{span.min} to {span.max}"
    axes = ",".join([*model.contract.dynamic, *(["batch"] if word == "batch" else ["height", "width"])])
    other = f"{'export.batch' if word == 'batch' else 'imgsz'}={span.opt} exports it so, " if span.fixed else ""
    raise HooklineError(
        f"build.{word} asks for a {axis} of {asked}, and that of '{model.path.name}' is {static} for good",
        f"{other}export.dynamic=[{axes}] leaves it open",
    )


GIB = 2**30


def apply_options(library: Library, config: IBuilderConfig, options: TrtOptions) -> None:
    """Set what the options say. The plan tells all of its layers, so that their precision can be read.

    Raises:
        HooklineError: This TensorRT does not have what was asked for.
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
        _need(library, "version_compatible", there=library.capabilities.version_compatible)
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
        raise HooklineError(f"{library.title} refuses the tactic sources {', '.join(names)}", "leave them out")


def _set_hardware(library: Library, config: IBuilderConfig, hardware: Hardware) -> None:
    level = hardware.value.upper()
    _need(library, f"hardware={hardware.value}", there=level in library.capabilities.hardware_levels)
    config.hardware_compatibility_level = library.trt.HardwareCompatibilityLevel.__members__[level]


def _set_dla(library: Library, config: IBuilderConfig, core: int) -> None:
    trt = library.trt
    _need(library, "dla", there=library.capabilities.dla)
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _need(library: Library, option: str, *, there: bool) -> None:
    if not there:
        raise HooklineError(
            f"{library.title} {library.version} has no runtimes.tensorrt.{option}",
            "leave it out, or use another",
        )
