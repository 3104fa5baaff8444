"""What a TensorRT can do, read from the module itself: releases differ in ways that version numbers do not tell."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Capabilities:
    """Of one module, ``tensorrt`` or ``tensorrt_rtx``.

    Attributes:
        calibrators: It quantises by itself while it builds, from pictures.
        dynamic_ranges: It takes ranges of tensors from outside for that.
        weak_typing: It can choose precisions by itself.
        plugins: Python plugins can be part of a network.
        ahead_of_time: Their code can be put into the engine.
        timing_cache: Measurements are kept from build to build.
        compute_capabilities: Engines are built for cards that are named.
        dla: It knows DLA cores.
        version_compatible: Engines can be for later releases too.
        hardware_levels, tactic_sources: Names of what can be asked for.
    """

    calibrators: bool
    dynamic_ranges: bool
    weak_typing: bool
    plugins: bool
    ahead_of_time: bool
    timing_cache: bool
    compute_capabilities: bool
    dla: bool
    version_compatible: bool
    hardware_levels: tuple[str, ...]
    tactic_sources: tuple[str, ...]


def read_capabilities(trt: ModuleType) -> Capabilities:
    """Look at the module; nothing is called."""
    named_cards = _has(trt, "IBuilderConfig", "set_compute_capability")
    return Capabilities(
        calibrators=hasattr(trt, "IInt8MinMaxCalibrator") and _has(trt, "IBuilderConfig", "int8_calibrator"),
        dynamic_ranges=_has(trt, "ITensor", "set_dynamic_range"),
        weak_typing=_has(trt, "BuilderFlag", "INT8"),
        plugins=_has(trt, "INetworkDefinition", "add_plugin_v3"),
        ahead_of_time=hasattr(trt, "IPluginCreatorV3Quick") and hasattr(trt, "QuickPluginCreationRequest"),
        # Where cards are named nothing is measured: the calls for a timing cache are there and do nothing.
        timing_cache=_has(trt, "IBuilderConfig", "create_timing_cache") and not named_cards,
        compute_capabilities=named_cards,
        dla=_has(trt, "IBuilderConfig", "DLA_core") and _has(trt, "DeviceType", "DLA") and not named_cards,
        version_compatible=_has(trt, "BuilderFlag", "VERSION_COMPATIBLE") and not named_cards,
        hardware_levels=_members(trt, "HardwareCompatibilityLevel"),
        tactic_sources=_members(trt, "TacticSource"),
    )


def network_flags(trt: ModuleType, *, weak: bool) -> int:
    """Flags for ``create_network``: typed by the graph, unless TensorRT is to choose precisions.

    Where the flag does not exist any more, every network is strongly typed.
    """
    strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if weak or strong is None else 1 << int(strong)


def _has(trt: ModuleType, owner: str, name: str) -> bool:
    return hasattr(getattr(trt, owner, None), name)


def _members(trt: ModuleType, enum: str) -> tuple[str, ...]:
    return tuple(getattr(getattr(trt, enum, None), "__members__", ()))
