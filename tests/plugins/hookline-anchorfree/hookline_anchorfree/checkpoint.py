"""The family's file format: safetensors, with variant, class names and widths as JSON in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hookline import HooklineError, ModelFacts
from hookline_anchorfree.network import STRIDES, Detector, NetworkShape

FAMILY = "anchorfree"
VERSION = 1
MAX_WIDTH = 1024
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Weights:
    """A network and what it detects."""

    variant: str
    names: tuple[str, ...]
    shape: NetworkShape
    state: Mapping[str, Tensor]

    @property
    def facts(self) -> ModelFacts:
        """The facts for an artifact."""
        return ModelFacts(family=FAMILY, variant=self.variant, names=self.names, strides=STRIDES)

    def network(self) -> Detector:
        """Return the network with these weights, in evaluation mode."""
        network = Detector(self.shape)
        network.load_state_dict(self.state)
        return network.eval()


def save(weights: Weights, path: Path) -> None:
    """Write ``path`` as a whole or not at all."""
    content = {
        "version": VERSION,
        "variant": weights.variant,
        "names": weights.names,
        "widths": weights.shape.widths,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.state.items()}, temporary, {FAMILY: json.dumps(content)}
    )
    os.replace(temporary, path)


def load(path: Path) -> Weights:
    """Read a file that :func:`save` wrote.

    Raises:
        HooklineError: It is missing or damaged, or a file of something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            content = _content(path, (file.metadata() or {}).get(FAMILY, ""))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise HooklineError(
            f"'{path}' is not a checkpoint of {FAMILY} ({error})", "give a file that train wrote"
        ) from error
    weights = Weights(
        content["variant"],
        tuple(content["names"]),
        NetworkShape(tuple(content["widths"]), len(content["names"])),
        state,
    )
    _check_tensors(path, weights)
    return weights


def _content(path: Path, text: str) -> dict[str, Any]:
    """Return the metadata; whatever is not as :func:`save` writes it is refused."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise HooklineError(
            f"'{path}' is not a version {VERSION} checkpoint of {FAMILY}", "give a file that train wrote"
        )
    known = isinstance(content.get("variant"), str) and _names_classes(content.get("names"))
    if not known or not _names_widths(content.get("widths")):
        raise HooklineError(f"the metadata of '{path}' is damaged", "restore the file, or train again")
    return content


def _names_classes(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_CLASSES and all(isinstance(name, str) for name in value)


def _names_widths(value: object) -> bool:
    return isinstance(value, list) and len(value) == 5 and all(type(w) is int and 2 <= w <= MAX_WIDTH for w in value)


def _check_tensors(path: Path, weights: Weights) -> None:
    with torch.device("meta"):
        expected = Detector(weights.shape).state_dict()
    if {name: tensor.shape for name, tensor in expected.items()} != {n: t.shape for n, t in weights.state.items()}:
        raise HooklineError(f"the tensors of '{path}' are not those of its network", "restore the file, or train again")
    if not all(torch.isfinite(tensor).all() for tensor in weights.state.values()):
        raise HooklineError(f"'{path}' contains numbers that are not finite", "restore the file, or train again")
