"""The options of the runtime on an ``IBuilderConfig``; what a release does not have is refused, never left out."""

from __future__ import annotations

from collections.abc import Sequence

from backends.trt.bindings import IBuilderConfig
from backends.trt.library import Library
from backends.trt.options import Hardware, TrtOptions
from core.errors import HooklineError, unknown

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
