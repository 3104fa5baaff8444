"""Read what a TensorRT release supports from its module. Version numbers do not state all differences."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Capabilities:
    """What the module ``tensorrt`` or ``tensorrt_rtx`` supports.

    Attributes:
        calibrators: TensorRT can quantise during a build, from images.
        dynamic_ranges: Such a quantisation accepts ranges of tensors.
        plugins: A network can contain Python plugins.
        ahead_of_time: An engine can contain the code of plugins.
        timing_cache: Kernel timings can be kept between builds.
        dla: DLA cores are supported.
        version_compatible: Later releases can open the engines.
        hardware_levels, tactic_sources: Possible names.
    """

    calibrators: bool
    dynamic_ranges: bool
    plugins: bool
    ahead_of_time: bool
    timing_cache: bool
    dla: bool
    version_compatible: bool
    hardware_levels: tuple[str, ...]
    tactic_sources: tuple[str, ...]


def read_capabilities(trt: ModuleType) -> Capabilities:
    """Return what a module supports. Calls nothing in it."""
    names_gpus = _has(trt, "IBuilderConfig", "set_compute_capability")
    return Capabilities(
        calibrators=hasattr(trt, "IInt8MinMaxCalibrator") and _has(trt, "IBuilderConfig", "int8_calibrator"),
        dynamic_ranges=_has(trt, "ITensor", "set_dynamic_range"),
        plugins=_has(trt, "INetworkDefinition", "add_plugin_v3"),
        ahead_of_time=hasattr(trt, "IPluginCreatorV3Quick") and hasattr(trt, "QuickPluginCreationRequest"),
        # TensorRT-RTX measures no kernels: it has the methods of a timing cache, and they do nothing.
        timing_cache=_has(trt, "IBuilderConfig", "create_timing_cache") and not names_gpus,
        dla=_has(trt, "IBuilderConfig", "DLA_core") and _has(trt, "DeviceType", "DLA") and not names_gpus,
        version_compatible=_has(trt, "BuilderFlag", "VERSION_COMPATIBLE") and not names_gpus,
        hardware_levels=_members(trt, "HardwareCompatibilityLevel"),
        tactic_sources=_members(trt, "TacticSource"),
    )


def network_flags(trt: ModuleType, *, weak: bool) -> int:
    """Return the flags for ``create_network``: strongly typed, unless TensorRT chooses the precisions.

    If the flag does not exist any more, every network is strongly typed.
    """
    strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if weak or strong is None else 1 << int(strong)


def _has(trt: ModuleType, owner: str, name: str) -> bool:
    return hasattr(getattr(trt, owner, None), name)


def _members(trt: ModuleType, enum: str) -> tuple[str, ...]:
    return tuple(getattr(getattr(trt, enum, None), "__members__", ()))
