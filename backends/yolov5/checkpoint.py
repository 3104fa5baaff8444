"""Weights in memory, and our own file format: safetensors with the network's shape as JSON beside the tensors."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from backends.yolov5.config import ModelConfig
from backends.yolov5.errors import CheckpointError
from backends.yolov5.model import YOLOv5

FORMAT = 1
_KEY = "hookline"


@dataclass(frozen=True)
class Weights:
    """A trained network.

    Attributes:
        config: Its shape.
        variant: e.g. ``yolov5s``.
        names: Class names, index = class id.
        state: The ``state_dict`` of :class:`YOLOv5`, in float16 or float32.
    """

    config: ModelConfig
    variant: str
    names: tuple[str, ...]
    state: Mapping[str, Tensor]

    def network(self) -> YOLOv5:
        """The network with these weights, float32, in evaluation mode, ready to train on or to fuse.

        Raises:
            CheckpointError: The weights are not those of the network that ``config`` describes.
        """
        with torch.device("meta"):
            network = YOLOv5(self.config)
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in self.state.items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                raise CheckpointError(
                    f"not the weights of a plain YOLOv5: '{name}' has shape {found.get(name, 'nothing')}, "
                    f"expected {wanted.get(name, 'nothing')}"
                )
        state = {
            name: tensor.clone() if name.endswith(".num_batches_tracked") else tensor.to(torch.float32, copy=True)
            for name, tensor in self.state.items()
        }
        network.load_state_dict(state, assign=True)
        return network.eval()


def save(weights: Weights, path: Path) -> None:
    """Write ``path`` through a temporary file, so that it is there whole or not at all."""
    facts = {
        "family": "yolov5",
        "variant": weights.variant,
        "names": weights.names,
        "anchors": weights.config.anchors,
        "strides": weights.config.strides,
    }
    text = json.dumps({"format": FORMAT, "facts": facts, "model": weights.config.to_dict()})
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({name: tensor.contiguous() for name, tensor in weights.state.items()}, temporary, {_KEY: text})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> Weights:
    """Read a file that :func:`save` wrote.

    Raises:
        CheckpointError: Not there, damaged, not one of ours, or it holds NaN or infinity.
    """
    if not path.is_file():
        raise CheckpointError(f"no such file '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            config, variant, names = _metadata(path, file.metadata() or {})
            state = {name: finite(name, file.get_tensor(name), path) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"'{path}' is damaged or no safetensors file ({error})", "fetch or train it again"
        ) from error
    return Weights(config, variant, names, state)


def finite(name: str, tensor: Tensor, path: Path) -> Tensor:
    """Return ``tensor``, a part of the weights in ``path``.

    Raises:
        CheckpointError: It holds NaN or infinity.
    """
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise CheckpointError(f"'{name}' in '{path}' holds NaN or infinity", "the training diverged: train it again")
    return tensor


def _metadata(path: Path, metadata: Mapping[str, str]) -> tuple[ModelConfig, str, tuple[str, ...]]:
    if _KEY not in metadata:
        raise CheckpointError(
            f"'{path}' is a safetensors file without hookline's metadata", "give an official .pt, or one hookline wrote"
        )
    try:
        content = json.loads(metadata[_KEY])
        written, facts = content["format"], content["facts"]
        if facts["family"] != "yolov5" or written != FORMAT:
            raise CheckpointError(
                f"'{path}' holds a '{facts['family']}' checkpoint of format {written}, not yolov5 of format {FORMAT}"
            )
        config, names = ModelConfig.from_dict(content["model"]), tuple(str(name) for name in facts["names"])
        if len(names) != config.num_classes:
            raise CheckpointError(f"'{path}' names {len(names)} classes of {config.num_classes}")
        if not all(math.isfinite(side) and side > 0 for level in config.anchors for side in level):
            raise CheckpointError(f"'{path}' has anchors without a size", "fetch or train it again")
        return config, str(facts["variant"]), names
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(
            f"the metadata of '{path}' is damaged ({type(error).__name__}: {error})", "fetch or train it again"
        ) from error
