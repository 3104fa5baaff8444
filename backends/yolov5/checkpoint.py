"""Weights in memory, and our checkpoint format: safetensors with the network shape as JSON in its metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from backends.yolov5.config import Anchors, ModelConfig
from backends.yolov5.errors import CheckpointError, ConfigError
from backends.yolov5.model import YOLOv5
from core.errors import counted, shown
from core.model_limits import MAX_METADATA
from core.storage.serial import DecodeError, decode, parse

FORMAT = 2
"""Format that this version writes. It also reads format 1, which has ``anchors`` in the facts instead of ``head``."""
_KEY = "hookline"
_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Weights:
    """A trained network.

    Attributes:
        config: Shape of the network.
        variant: e.g. ``yolov5s``.
        names: Class names, index = class id.
        state: The ``state_dict`` of :class:`YOLOv5`, in float16 or float32.
    """

    config: ModelConfig
    variant: str
    names: tuple[str, ...]
    state: Mapping[str, Tensor]

    def network(self) -> YOLOv5:
        """Return the network with these weights in float32 and evaluation mode, ready for training or fusing.

        Raises:
            CheckpointError: The weights do not fit the network that ``config`` describes.
        """
        network = self.outline()
        state = {
            name: tensor.clone() if name.endswith(_COUNTER) else tensor.to(torch.float32, copy=True)
            for name, tensor in self.state.items()
        }
        network.load_state_dict(state, assign=True)
        return network.eval()

    def outline(self, path: Path | None = None) -> YOLOv5:
        """Return the network on the meta device: shapes without memory for weights.

        Args:
            path: The file of the weights, for messages.

        Raises:
            CheckpointError: As for :meth:`network`.
        """
        network = _outline(self.config)
        _compare_shapes(network, {name: tuple(tensor.shape) for name, tensor in self.state.items()}, path)
        return network


def save(weights: Weights, path: Path) -> None:
    """Write ``path`` atomically, through a temporary file.

    safetensors creates files with mode 0600; ``path`` gets the mode of a new file under the current umask.
    """
    facts = {
        "family": "yolov5",
        "variant": weights.variant,
        "names": weights.names,
        "strides": weights.config.strides,
        "head": {"anchors": weights.config.anchors},
    }
    text = json.dumps({"format": FORMAT, "facts": facts, "model": weights.config.to_dict()})
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file({name: tensor.contiguous() for name, tensor in weights.state.items()}, temporary, {_KEY: text})
        temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> Weights:
    """Read a file that :func:`save` wrote.

    Raises:
        CheckpointError: The file is missing, damaged, not written by hookline, or has NaN or infinite values.
    """
    if not path.is_file():
        raise CheckpointError(f"no such file '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            config, variant, names = _metadata(path, file.metadata() or {})
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _compare_shapes(_outline(config), shapes, path)
            state = {name: finite(name, file.get_tensor(name), path) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"'{path}' is damaged or not a safetensors file ({error})", "download or train it again"
        ) from error
    return Weights(config, variant, names, state)


def _outline(config: ModelConfig) -> YOLOv5:
    with torch.device("meta"):
        return YOLOv5(config)


def _compare_shapes(network: YOLOv5, found: Mapping[str, tuple[int, ...]], path: Path | None) -> None:
    """Raise CheckpointError for the first tensor whose shape differs from that of ``network``."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            source = f" in '{path}'" if path else ""
            raise CheckpointError(
                f"not the weights of a plain YOLOv5{source}: '{name}' has shape {_shape(found, name)}, "
                f"expected {_shape(wanted, name)}"
            )


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return shown(shapes[name]) if name in shapes else "nothing"


def finite(name: str, tensor: Tensor, path: Path) -> Tensor:
    """Return ``tensor``, which the file ``path`` has under ``name``.

    Raises:
        CheckpointError: It has NaN or infinite values, or is not of a floating-point type.
    """
    if tensor.dtype not in _FLOATS and not name.endswith(_COUNTER):
        raise CheckpointError(
            f"'{name}' in '{path}' is {tensor.dtype}, not floating-point", "download or train it again"
        )
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise CheckpointError(f"'{name}' in '{path}' contains NaN or infinity", "the training diverged: train it again")
    return tensor


@dataclass(frozen=True)
class _Facts:
    family: str
    variant: str
    names: tuple[str, ...]
    strides: tuple[int, ...]
    head: Mapping[str, Anchors]


@dataclass(frozen=True)
class _Metadata:
    """The metadata under :data:`_KEY`."""

    format: int
    facts: _Facts
    model: ModelConfig


def _current(content: object, path: Path) -> object:
    """Return the content of the metadata, converted to the current format.

    Raises:
        CheckpointError: A newer hookline wrote it.
    """
    if not isinstance(content, dict) or content.get("format") == FORMAT:
        return content
    if content.get("format") != 1:
        raise CheckpointError(
            f"'{path}' has format {shown(content.get('format'))}, but this version reads up to {FORMAT}",
            "update hookline",
        )
    facts = content.get("facts")
    if isinstance(facts, dict) and "anchors" in facts:
        others = {key: value for key, value in facts.items() if key != "anchors"}
        content = content | {"facts": others | {"head": {"anchors": facts["anchors"]}}}
    return content | {"format": FORMAT}


def _metadata(path: Path, metadata: Mapping[str, str]) -> tuple[ModelConfig, str, tuple[str, ...]]:
    if _KEY not in metadata:
        raise CheckpointError(
            f"'{path}' is a safetensors file without hookline's metadata",
            "give an official .pt, or a .safetensors that hookline wrote",
        )
    text = metadata[_KEY]
    try:
        if len(text) > MAX_METADATA:
            raise DecodeError("", f"{len(text):,} characters, more than {MAX_METADATA:,}")
        content = parse(text)
        found: _Metadata = decode(_Metadata, _current(content, path))
    except (DecodeError, ConfigError) as error:
        raise CheckpointError(f"the metadata of '{path}' is damaged ({error})", "download or train it again") from error
    names, config = found.facts.names, found.model
    if found.facts.family != "yolov5":
        raise CheckpointError(f"'{path}' contains a checkpoint of the family {shown(found.facts.family)}, not yolov5")
    if len(names) != config.num_classes:
        raise CheckpointError(f"'{path}' names {counted(len(names), 'class')} of {config.num_classes}")
    return config, found.facts.variant, names
