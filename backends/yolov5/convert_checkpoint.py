"""Conversion of an official YOLOv5 checkpoint, read as stand-ins, to the weights of our network.

Two blocks of v5.0 and older are rewritten exactly: ``Focus`` followed by a 3x3 convolution is a 6x6 convolution of
stride 2, and the parallel pools 5, 9, 13 of ``SPP`` are the chained pools of ``SPPF``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from backends.yolov5.checkpoint import Weights, finite
from backends.yolov5.checkpoint_comparison import compare_layers, compare_modules
from backends.yolov5.checkpoint_tree import SUPPORTED, all_modules, child_of, children, entries, kind_of
from backends.yolov5.config import LEVELS, Anchors, ModelConfig, blueprint, variant_of
from backends.yolov5.errors import CheckpointError, ConfigError
from backends.yolov5.foreign_models import WAY_ON, name_checkpoint
from backends.yolov5.layers import focus_to_conv
from backends.yolov5.pickle_values import StandIn
from backends.yolov5.unpickle import read_pickle
from core.errors import shown, with_article
from core.model_limits import MAX_ANCHORS, name_problem

_MODELS = frozenset(
    f"{package}models.yolo.{name}" for package in ("", "yolov5.") for name in ("Model", "DetectionModel")
)
_TENSOR_NAMES = frozenset({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})


def read(path: Path) -> Weights:
    """Read an official ``.pt`` of YOLOv5 v5.0 to v7.0.

    Raises:
        CheckpointError: The file is missing, damaged, malicious, or not a plain YOLOv5 detector.
    """
    content = read_pickle(path)
    try:
        return _weights(content, path)
    except ConfigError as error:
        raise CheckpointError(f"'{path}' has no usable network: {error.message}", SUPPORTED) from error


def _weights(content: object, path: Path) -> Weights:
    model = _model_in(content, path)
    layers = list(children(child_of(model, "model", path)).values())
    if not layers or kind_of(layers[-1]) != "Detect":
        last = layers[-1].kind if layers else "nothing"
        raise CheckpointError(
            f"'{path}' is not a YOLOv5 detector: its model ends in {shown(last)}, not in 'Detect'", SUPPORTED
        )
    pool_first = _pool_first(layers)
    levels = len(children(child_of(layers[-1], "m", path)))
    if levels not in LEVELS:
        raise CheckpointError(f"'{path}' has {levels} output levels, not {' or '.join(map(str, LEVELS))}", SUPPORTED)
    modules = all_modules(compare_layers(layers, blueprint(levels, pool_first=pool_first), path), path)
    state = _state(modules, path)
    config = _config(layers[-1], state, path, pool_first=pool_first)
    variant = variant_of(config.channels, config.head_repeats) or path.stem
    weights = Weights(config, variant, _names(model, config.num_classes, path), state)
    compare_modules(weights.outline(path), modules, path)
    return weights


def _model_in(content: object, path: Path) -> StandIn:
    """Return the model of a checkpoint: the averaged one (``ema``) if there is one."""
    model = content
    if isinstance(content, Mapping):
        average = content.get("ema")
        model = average if isinstance(average, StandIn) else content.get("model")
    if not isinstance(model, StandIn):
        found = (
            "a state dict" if _is_state_dict(content) or _is_state_dict(model) else with_article(type(model).__name__)
        )
        raise CheckpointError(f"'{path}' contains {found}, not a YOLOv5 model", SUPPORTED)
    if model.kind not in _MODELS:
        message = f"'{path}' contains a {shown(model.kind)}, not a YOLOv5 detector"
        if kind := name_checkpoint(model.kind):
            raise CheckpointError(f"{message}: it is {kind}", WAY_ON)
        raise CheckpointError(message, SUPPORTED)
    return model


def _is_state_dict(content: object) -> bool:
    return isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values())


def _pool_first(layers: list[StandIn]) -> bool:
    kinds = [kind_of(layer) for layer in layers]
    pools = [index for index, kind in enumerate(kinds) if kind in {"SPP", "SPPF"}]
    return bool(pools) and kinds[pools[0] - 1] == "Conv"


def _state(modules: Mapping[str, StandIn], path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    remaining = path.stat().st_size  # many tensors may be views of one storage; each becomes a copy
    for name, module in modules.items():
        for key, tensor in _tensors(module, name, path).items():
            remaining -= tensor.nbytes
            if remaining < 0:
                raise CheckpointError(f"'{name}.{key}' in '{path}' claims more bytes than the file has", SUPPORTED)
            state[f"{name}.{key}"] = finite(f"{name}.{key}", tensor, path).contiguous()
    if "stem.bn.weight" not in state:
        raise CheckpointError(
            f"the batch normalisation of '{path}' is already fused", "give the checkpoint that training wrote"
        )
    if kind_of(modules["stem"]) == "Focus":
        weight = _kernel(state, "stem.conv.weight", path)
        if weight.shape[1:] != (12, 3, 3):
            raise CheckpointError(f"the Focus layer of '{path}' has a kernel of {_sides(weight)}", SUPPORTED)
        state["stem.conv.weight"] = focus_to_conv(weight)
    return state


def _tensors(module: StandIn, name: str, path: Path) -> dict[str, Tensor]:
    if kind_of(module) == "Detect":  # its buffers are the anchors, which the config holds
        return {}
    found = {**entries(module, "_parameters"), **entries(module, "_buffers")}
    if unknown := [key for key in found if key not in _TENSOR_NAMES]:
        raise CheckpointError(f"'{name}' in '{path}' has the tensor {shown(unknown[0])}", SUPPORTED)
    return {key: tensor for key, tensor in found.items() if isinstance(tensor, Tensor)}


def _kernel(state: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    """Return the kernel of a convolution."""
    if name not in state or state[name].ndim != 4:
        found = _sides(state[name]) if name in state else "nothing"
        raise CheckpointError(f"'{name}' in '{path}' is {found}, not the kernel of a convolution", SUPPORTED)
    return state[name]


def _sides(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'a scalar'}"


def _config(detect: StandIn, state: Mapping[str, Tensor], path: Path, *, pool_first: bool) -> ModelConfig:
    anchors = _anchors(detect, path)
    stages = len(anchors) + 1
    outputs = _kernel(state, "detect.convs.0.weight", path).shape[0]
    return ModelConfig(
        num_classes=outputs // (len(anchors[0]) // 2) - 5,
        anchors=anchors,
        channels=tuple(
            _kernel(state, f"{name}.conv.weight", path).shape[0]
            for name in ("stem", *(f"stages.{i}.down" for i in range(stages)))
        ),
        repeats=tuple(_repeats(state, f"stages.{index}.block") for index in range(stages)),
        head_repeats=_repeats(state, "top_down.0.block"),
        pool_first=pool_first,
    )


def _repeats(state: Mapping[str, Tensor], block: str) -> int:
    return sum(name.startswith(f"{block}.blocks.") and name.endswith(".reduce.conv.weight") for name in state)


def _anchors(detect: StandIn, path: Path) -> Anchors:
    """Return the anchors in pixels. The checkpoint has them in units of the stride: [levels, A, 2]."""
    anchors = entries(detect, "_buffers").get("anchors")
    stride = detect.attributes.get("stride")
    if not isinstance(anchors, Tensor) or anchors.ndim != 3 or not _plausible(anchors):
        raise CheckpointError(f"the Detect layer of '{path}' has no usable anchors", SUPPORTED)
    strides = [8 << level for level in range(anchors.shape[0])]
    if not isinstance(stride, Tensor) or stride.numel() != len(strides) or stride.tolist() != strides:
        raise CheckpointError(f"the levels of '{path}' do not have the strides {strides}", SUPPORTED)
    pixels = anchors.double() * torch.tensor(strides).view(-1, 1, 1)
    return tuple(tuple(level) for level in pixels.flatten(1).tolist())


def _plausible(anchors: Tensor) -> bool:
    """Return whether ``anchors`` is a small float tensor [levels, A, 2]."""
    levels, count, sides = anchors.shape
    return anchors.is_floating_point() and levels in LEVELS and 1 <= count <= MAX_ANCHORS and sides == 2


def _is_name(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _names(model: StandIn, count: int, path: Path) -> tuple[str, ...]:
    names = model.attributes.get("names")
    if isinstance(names, Mapping):
        names = [names.get(index) for index in range(len(names))]
    if not isinstance(names, list) or len(names) != count or not all(map(_is_name, names)):
        raise CheckpointError(f"'{path}' does not name its {count} classes", SUPPORTED)
    names = tuple(map(str, names))  # numbers such as 21008 are names too
    for name in names:
        if problem := name_problem(name):
            raise CheckpointError(f"'{path}' has the class name {shown(name)}, which {problem}", SUPPORTED)
    return names
