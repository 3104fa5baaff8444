"""Comparison of an official checkpoint with the plain YOLOv5, layer by layer and attribute by attribute.

A network that differs would load and then return wrong boxes, so the first difference is refused by name. ``Focus``
counts as ``Conv`` and ``SPP`` as ``SPPF``: :mod:`backends.yolov5.convert_checkpoint` rewrites these blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from backends.yolov5.checkpoint_tree import SUPPORTED, kind_of, module_named
from backends.yolov5.config import LayerSpec
from backends.yolov5.errors import CheckpointError
from backends.yolov5.layers import SPPF, Bottleneck, ConvBlock
from backends.yolov5.pickle_values import StandIn
from core.errors import counted, shown

_FIXED: Mapping[str, Mapping[str, object]] = {"Upsample": {"scale_factor": 2.0, "mode": "nearest"}, "Concat": {"d": 1}}
_EQUIVALENT = {"Focus": "Conv", "SPP": "SPPF"}


def compare_layers(layers: list[StandIn], expected: list[LayerSpec], path: Path) -> dict[str, StandIn]:
    """Return the layers that have weights, by our name.

    Raises:
        CheckpointError: Number, kind or inputs of the layers differ.
    """
    for index, (layer, spec) in enumerate(zip(layers, expected, strict=False)):
        kind, route = kind_of(layer), layer.attributes.get("f", spec.route)
        if _EQUIVALENT.get(kind, kind) != spec.kind or not _equal(route, spec.route):
            found, wanted = f"{shown(layer.kind)} from {shown(route)}", f"{spec.kind} from {spec.route}"
            raise CheckpointError(f"layer {index} of '{path}' is {found}, not {wanted}", SUPPORTED)
        _expect({spec.kind: layer}, spec.kind, _FIXED.get(spec.kind, {}), path)
    if len(layers) != len(expected):
        raise CheckpointError(f"'{path}' has {counted(len(layers), 'layer')}, not {len(expected)}", SUPPORTED)
    return {spec.name: layer for layer, spec in zip(layers, expected, strict=True) if spec.name}


def compare_modules(network: nn.Module, modules: Mapping[str, StandIn], path: Path) -> None:
    """Compare what shapes of weights do not show: stride, padding, groups, activation, epsilon, shortcut.

    Raises:
        CheckpointError: A module is missing or has another value.
    """
    for name, ours in network.named_modules():
        if isinstance(ours, ConvBlock):
            _expect(modules, f"{name}.conv", _convolution(ours.conv), path)
            activation = kind_of(module_named(modules, f"{name}.act", path))
            if activation != "SiLU":
                raise CheckpointError(f"'{path}' has the activation {shown(activation)}, not SiLU", SUPPORTED)
        elif isinstance(ours, nn.BatchNorm2d):
            _expect(modules, name, {"eps": ours.eps}, path)
        elif isinstance(ours, Bottleneck):
            _expect(modules, name, {"add": ours.shortcut}, path)
        elif isinstance(ours, SPPF):
            _expect_pools(modules, name, path)


def _convolution(conv: nn.Conv2d) -> dict[str, object]:
    return {key: getattr(conv, key) for key in ("kernel_size", "stride", "padding", "dilation", "groups")}


def _expect_pools(modules: Mapping[str, StandIn], name: str, path: Path) -> None:
    sizes = {f"{name}.m.{index}": size for index, size in enumerate((5, 9, 13))}
    for pool, size in sizes.items() if f"{name}.m.0" in modules else [(f"{name}.m", 5)]:
        _expect(modules, pool, {"kernel_size": size, "stride": 1, "padding": size // 2}, path)


def _expect(modules: Mapping[str, StandIn], name: str, wanted: Mapping[str, object], path: Path) -> None:
    """Compare attributes of a module. The convolution of Focus works on slices, so it has a smaller kernel."""
    if name == "stem.conv" and kind_of(modules["stem"]) == "Focus":
        wanted = {**wanted, "kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1)}
    attributes = module_named(modules, name, path).attributes
    for key, value in wanted.items():
        if not _equal(attributes.get(key), value):
            found = shown(attributes.get(key))
            raise CheckpointError(f"'{name}' in '{path}' has {key} {found}, but a plain YOLOv5 has {value}", SUPPORTED)


def _equal(found: object, wanted: object) -> bool:
    """Compare a value of the file, of any type, with a number, a string, or a list or tuple of numbers."""
    if isinstance(wanted, list | tuple):
        return type(found) is type(wanted) and len(found) == len(wanted) and all(map(_equal, found, wanted))
    return isinstance(found, int | float | str) and bool(found == wanted)
