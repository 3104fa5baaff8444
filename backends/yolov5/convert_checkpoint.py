"""From the pickled modules of an official checkpoint to our network's weights.

The tree of stand-ins is compared with the plain YOLOv5 layer by layer: kind, route, stride, padding,
shortcut. What differs is refused by name, because it would load and then give wrong boxes.

The two blocks of v5.0 and older are special cases of the newer ones and are rewritten exactly:
``Focus`` followed by a 3x3 convolution is a 6x6 convolution of stride 2, and the parallel pools 5, 9, 13
of ``SPP`` are the chained pools of ``SPPF``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from backends.yolov5.checkpoint import Weights, finite
from backends.yolov5.config import LEVELS, Anchors, LayerSpec, ModelConfig, blueprint, variant_of
from backends.yolov5.errors import CheckpointError, ConfigError
from backends.yolov5.layers import SPPF, Bottleneck, ConvBlock, focus_to_conv
from backends.yolov5.pickle_machine import StandIn
from backends.yolov5.unpickle import read_pickle
from core.errors import counted, shown
from core.model_limits import MAX_ANCHORS, name_problem

_WANTED = "plain YOLOv5 detectors of v5.0 to v7.0 are read"
_MODELS = frozenset(
    f"{package}models.yolo.{name}" for package in ("", "yolov5.") for name in ("Model", "DetectionModel")
)
_FIXED: Mapping[str, Mapping[str, object]] = {"Upsample": {"scale_factor": 2.0, "mode": "nearest"}, "Concat": {"d": 1}}
_SAME = {"Focus": "Conv", "SPP": "SPPF"}
_TENSOR_NAMES = frozenset({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
_RENAMES = {
    "C3": {"cv1": "main", "cv2": "past", "cv3": "merge", "m": "blocks"},
    "Bottleneck": {"cv1": "reduce", "cv2": "expand"},
    "SPP": {"cv1": "reduce", "cv2": "merge"},
    "SPPF": {"cv1": "reduce", "cv2": "merge"},
    "Detect": {"m": "convs"},
}
MAX_DEPTH = 8
"""Nesting of modules in a layer; a bottleneck's convolution has 4."""
MAX_ENTRIES = 1000
"""Parts of a module: children, parameters or buffers. The official networks have up to 33 layers."""
MAX_ENTRY_NAME = 64
"""Characters of the name of a part."""
MAX_MODULES = 10_000
"""Modules of a network, counted as often as they are used. yolov5x6 has about 1,000; with one module under many names a
small file can name any number."""


def read(path: Path) -> Weights:
    """Read an official ``.pt`` of YOLOv5 v5.0 to v7.0.

    Raises:
        CheckpointError: Not there, damaged, malicious, or not a plain YOLOv5 detector.
    """
    content = read_pickle(path)
    try:
        return _weights(content, path)
    except ConfigError as error:
        raise CheckpointError(f"'{path}' holds no usable network: {error.message}", _WANTED) from error


def _weights(content: object, path: Path) -> Weights:
    model = _model_in(content, path)
    layers = list(_children(_child(model, "model", path)).values())
    if not layers or _kind(layers[-1]) != "Detect":
        last = _full_kind(layers[-1]) if layers else "nothing"
        raise CheckpointError(
            f"'{path}' is not a YOLOv5 detector: its model ends in {shown(last)}, not in 'Detect'", _WANTED
        )
    pool_first = _pool_first(layers)
    levels = len(_children(_child(layers[-1], "m", path)))
    if levels not in LEVELS:
        raise CheckpointError(f"'{path}' has {levels} output levels, not {' or '.join(map(str, LEVELS))}", _WANTED)
    ours = _compare_layers(layers, blueprint(levels, pool_first=pool_first), path)
    modules = _modules(ours, path)
    state = _state(modules, path)
    config = _config(layers[-1], state, path, pool_first=pool_first)
    variant = variant_of(config.channels, config.head_repeats) or path.stem
    weights = Weights(config, variant, _names(model, config.num_classes, path), state)
    _compare_modules(weights.outline(path), modules, path)
    return weights


def _model_in(content: object, path: Path) -> StandIn:
    model = content
    if isinstance(content, Mapping):
        average = content.get("ema")
        model = average if isinstance(average, StandIn) else content.get("model")
    if not isinstance(model, StandIn):
        found = "a state dict" if _is_state_dict(content) or _is_state_dict(model) else f"a {type(model).__name__}"
        raise CheckpointError(f"'{path}' holds {found}, not a YOLOv5 model", _WANTED)
    if _full_kind(model) not in _MODELS:
        raise CheckpointError(f"'{path}' holds a {shown(_full_kind(model))}, not a YOLOv5 detector", _WANTED)
    return model


def _is_state_dict(content: object) -> bool:
    return isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values())


def _pool_first(layers: list[StandIn]) -> bool:
    kinds = [_kind(layer) for layer in layers]
    pools = [index for index, kind in enumerate(kinds) if kind in {"SPP", "SPPF"}]
    return bool(pools) and kinds[pools[0] - 1] == "Conv"


def _compare_layers(layers: list[StandIn], expected: list[LayerSpec], path: Path) -> dict[str, StandIn]:
    """The layers that have weights, by our name."""
    for index, (layer, wanted) in enumerate(zip(layers, expected, strict=False)):
        found, route = _kind(layer), layer.attributes.get("f", wanted.route)
        if _SAME.get(found, found) != wanted.kind or not _equal(route, wanted.route):
            found, should = f"{shown(_full_kind(layer))} from {shown(route)}", f"{wanted.kind} from {wanted.route}"
            raise CheckpointError(f"layer {index} of '{path}' is {found}, not {should}", _WANTED)
        _expect({wanted.kind: layer}, wanted.kind, _FIXED.get(wanted.kind, {}), path)
    if len(layers) != len(expected):
        raise CheckpointError(f"'{path}' has {counted(len(layers), 'layer')}, not {len(expected)}", _WANTED)
    return {wanted.name: layer for layer, wanted in zip(layers, expected, strict=True) if wanted.name}


def _modules(ours: Mapping[str, StandIn], path: Path) -> dict[str, StandIn]:
    """Every module below, by our name."""
    found = list(islice(_walk(ours, path), MAX_MODULES + 1))
    if len(found) > MAX_MODULES:
        raise CheckpointError(f"'{path}' has more than {MAX_MODULES:,} modules", _WANTED)
    return dict(found)


def _walk(ours: Mapping[str, StandIn], path: Path, depth: int = 0) -> Iterator[tuple[str, StandIn]]:
    for name, module in ours.items():
        inner = _children(module).get("conv") if _kind(module) == "Focus" else module
        if inner is None or depth > MAX_DEPTH:
            raise CheckpointError(f"the module '{name}' of '{path}' is not part of a plain YOLOv5", _WANTED)
        yield name, module
        renames = _RENAMES.get(_kind(inner), {})
        below = {f"{name}.{renames.get(key, key)}": child for key, child in _children(inner).items()}
        yield from _walk(below, path, depth + 1)


def _state(modules: Mapping[str, StandIn], path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    left = path.stat().st_size  # many tensors may be views of one storage; each becomes a copy
    for name, module in modules.items():
        for key, tensor in _tensors(module, name, path).items():
            left -= tensor.nbytes
            if left < 0:
                raise CheckpointError(f"'{name}.{key}' in '{path}' claims more than the file holds", _WANTED)
            state[f"{name}.{key}"] = finite(f"{name}.{key}", tensor, path).contiguous()
    if "stem.bn.weight" not in state:
        raise CheckpointError(
            f"'{path}' has its batch normalisation folded in already", "give the file that training wrote"
        )
    if _kind(modules["stem"]) == "Focus":
        weight = _weight(state, "stem.conv.weight", path)
        if weight.shape[1:] != (12, 3, 3):
            raise CheckpointError(f"the Focus layer of '{path}' has a kernel of {_sides(weight)}", _WANTED)
        state["stem.conv.weight"] = focus_to_conv(weight)
    return state


def _tensors(module: StandIn, name: str, path: Path) -> dict[str, Tensor]:
    if _kind(module) == "Detect":  # its buffers are the anchors, which the config carries
        return {}
    found = {**_mapping(module, "_parameters"), **_mapping(module, "_buffers")}
    if unknown := [key for key in found if key not in _TENSOR_NAMES]:
        raise CheckpointError(f"'{name}' in '{path}' has the tensor {shown(unknown[0])}", _WANTED)
    return {key: tensor for key, tensor in found.items() if isinstance(tensor, Tensor)}


def _weight(state: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    """Return the kernel of a convolution."""
    if name not in state or state[name].ndim != 4:
        found = _sides(state[name]) if name in state else "nothing"
        raise CheckpointError(f"'{name}' in '{path}' is {found}, not the kernel of a convolution", _WANTED)
    return state[name]


def _sides(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'a scalar'}"


def _config(detect: StandIn, state: Mapping[str, Tensor], path: Path, *, pool_first: bool) -> ModelConfig:
    anchors = _anchors(detect, path)
    stages = len(anchors) + 1
    outputs = _weight(state, "detect.convs.0.weight", path).shape[0]
    return ModelConfig(
        num_classes=outputs // (len(anchors[0]) // 2) - 5,
        anchors=anchors,
        channels=tuple(
            _weight(state, f"{name}.conv.weight", path).shape[0]
            for name in ("stem", *(f"stages.{i}.down" for i in range(stages)))
        ),
        repeats=tuple(_repeats(state, f"stages.{index}.block") for index in range(stages)),
        head_repeats=_repeats(state, "top_down.0.block"),
        pool_first=pool_first,
    )


def _repeats(state: Mapping[str, Tensor], block: str) -> int:
    return sum(name.startswith(f"{block}.blocks.") and name.endswith(".reduce.conv.weight") for name in state)


def _anchors(detect: StandIn, path: Path) -> Anchors:
    """The checkpoint holds them in units of the stride: [levels, A, 2]."""
    anchors = _mapping(detect, "_buffers").get("anchors")
    stride = detect.attributes.get("stride")
    if not isinstance(anchors, Tensor) or anchors.ndim != 3 or not _plausible(anchors):
        raise CheckpointError(f"the Detect layer of '{path}' has no usable anchors", _WANTED)
    strides = [8 << level for level in range(anchors.shape[0])]
    if not isinstance(stride, Tensor) or stride.numel() != len(strides) or stride.tolist() != strides:
        raise CheckpointError(f"the levels of '{path}' do not have the strides {strides}", _WANTED)
    pixels = anchors.double() * torch.tensor(strides).view(-1, 1, 1)
    return tuple(tuple(level) for level in pixels.flatten(1).tolist())


def _names(model: StandIn, count: int, path: Path) -> tuple[str, ...]:
    names = model.attributes.get("names")
    if isinstance(names, Mapping):
        names = [names.get(index) for index in range(len(names))]
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"'{path}' does not name its {count} classes", _WANTED)
    for name in names:
        if problem := name_problem(name):
            raise CheckpointError(f"'{path}' has the class name {shown(name)}, which {problem}", _WANTED)
    return tuple(names)


def _compare_modules(network: nn.Module, modules: Mapping[str, StandIn], path: Path) -> None:
    """What the shapes of the weights do not tell: stride, padding, groups, activation, epsilon, shortcut."""
    for name, ours in network.named_modules():
        if isinstance(ours, ConvBlock):
            _expect(modules, f"{name}.conv", _convolution(ours.conv), path)
            activation = _kind(_module(modules, f"{name}.act", path))
            if activation != "SiLU":
                raise CheckpointError(f"'{path}' has the activation {shown(activation)}, not SiLU", _WANTED)
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
    """Compare attributes; the convolution of Focus works on slices, so its own are other ones."""
    if name == "stem.conv" and _kind(modules["stem"]) == "Focus":
        wanted = {**wanted, "kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1)}
    attributes = _module(modules, name, path).attributes
    for key, value in wanted.items():
        if not _equal(attributes.get(key), value):
            found = shown(attributes.get(key))
            raise CheckpointError(f"'{name}' in '{path}' has {key} {found}, a plain YOLOv5 has {value}", _WANTED)


def _equal(found: object, wanted: object) -> bool:
    """Compare a value of the file, of any type, with a number, a text, or a list or tuple of numbers."""
    if isinstance(wanted, list | tuple):
        return type(found) is type(wanted) and len(found) == len(wanted) and all(map(_equal, found, wanted))
    return isinstance(found, int | float | str) and bool(found == wanted)


def _module(modules: Mapping[str, StandIn], name: str, path: Path) -> StandIn:
    if name not in modules:
        raise CheckpointError(f"'{path}' has no module '{name}'", _WANTED)
    return modules[name]


def _mapping(module: StandIn, name: str) -> Mapping[str, object]:
    """Return the attribute ``name``, empty where it is no mapping.

    Raises:
        ConfigError: It has too many entries, or one whose name is no short text.
    """
    found = module.attributes.get(name)
    if not isinstance(found, Mapping):
        return {}
    if len(found) > MAX_ENTRIES:
        raise ConfigError(f"a {shown(module.kind)} has {len(found):,} entries in {name}, more than {MAX_ENTRIES:,}")
    if odd := [key for key in found if not isinstance(key, str) or len(key) > MAX_ENTRY_NAME]:
        raise ConfigError(f"a {shown(module.kind)} has the entry {shown(odd[0])} in {name}")
    return found


def _plausible(anchors: Tensor) -> bool:
    """Whether ``anchors`` is [levels, A, 2] of floats: small, whatever their memory is a view of."""
    levels, count, sides = anchors.shape
    return anchors.is_floating_point() and levels in LEVELS and 1 <= count <= MAX_ANCHORS and sides == 2


def _full_kind(module: StandIn) -> str:
    return module.kind


def _kind(module: StandIn) -> str:
    return _full_kind(module).rpartition(".")[2]


def _children(module: StandIn) -> dict[str, StandIn]:
    children = _mapping(module, "_modules")
    return {key: child for key, child in children.items() if isinstance(child, StandIn)}


def _child(module: StandIn, name: str, path: Path) -> StandIn:
    child = _children(module).get(name)
    if child is None:
        raise CheckpointError(f"'{path}': its {shown(_full_kind(module))} has no part '{name}'", _WANTED)
    return child
