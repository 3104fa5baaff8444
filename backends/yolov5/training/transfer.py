"""Transfer of weights from another checkpoint into a network to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.yolov5.model import YOLOv5
from core.errors import counted, listed

Shape = tuple[int, ...]
_DETECT = "detect.convs."
_LISTED = 3


@dataclass(frozen=True)
class Transfer:
    """Result of a transfer.

    Attributes:
        loaded: Number of tensors that were copied, including Detect tensors with the outputs of some classes only.
        total: Number of tensors of the network.
        left: Tensors that were not copied: name, shape in the checkpoint (None if missing) and shape in the network.
        named: Number of classes whose outputs were copied from the class of the same name.
        placed: Number of classes whose outputs were copied from the class of the same index.
        classes: Number of classes of the network.
    """

    loaded: int
    total: int
    left: tuple[tuple[str, Shape | None, Shape], ...]
    named: int
    placed: int
    classes: int

    def line(self) -> str:
        """Return a line for the user, with the first tensors that were not copied."""
        classes = f"outputs of {self.named} of {counted(self.classes, 'class')} by name"
        if self.placed:
            classes += f" and of {self.placed} by index"
        text = f"transferred {self.loaded} of {counted(self.total, 'tensor')}, {classes}"
        if not self.left:
            return text
        missed = [
            f"{name} ({'missing' if have is None else f'{_sides(have)}, not {_sides(want)}'})"
            for name, have, want in self.left
        ]
        return f"{text}; not transferred: {listed(missed, _LISTED)}"


@torch.no_grad()
def transfer(
    state: Mapping[str, Tensor], model: YOLOv5, names: Sequence[str] = (), target_names: Sequence[str] = ()
) -> Transfer:
    """Copy tensors of the same name and shape into ``model``.

    Outputs of the Detect convolutions are copied row by row: box and objectness of each anchor for any classes, and
    classes by name. If both networks have the same number of classes, the remaining classes are copied by index.

    Args:
        state: Weights of a :class:`YOLOv5`, of any precision.
        model: The network, modified in place.
        names: Class names of ``state``, index = class id; empty if unknown.
        target_names: Class names of ``model``, index = class id; empty if unknown.
    """
    own = model.state_dict()
    left: list[tuple[str, Shape | None, Shape]] = []
    anchors = model.config.anchors_per_level
    count = _classes(state, anchors, names)
    pairs, named = _class_pairs(count, model.config.num_classes, names, target_names)
    for name, tensor in own.items():
        given = state.get(name)
        detect = name.startswith(_DETECT)
        if given is not None and given.shape == tensor.shape and not detect:
            tensor.copy_(given)
        elif given is not None and detect and count is not None and _fits(state, name.rpartition(".")[0], own):
            _copy_outputs(given, tensor, anchors, pairs)
        else:
            left.append((name, None if given is None else tuple(given.shape), tuple(tensor.shape)))
    if any(name.startswith(_DETECT) for name, _, _ in left):
        pairs, named = [], 0
    return Transfer(len(own) - len(left), len(own), tuple(left), named, len(pairs) - named, model.config.num_classes)


def _classes(state: Mapping[str, Tensor], anchors: int, names: Sequence[str]) -> int | None:
    """Return the number of classes of the checkpoint; None if it has another number of anchors per level."""
    outputs, rest = divmod(len(state.get(f"{_DETECT}0.bias", ())), anchors)
    if rest or outputs < 6 or (names and outputs != 5 + len(names)):
        return None
    return outputs - 5


def _class_pairs(
    given: int | None, own: int, names: Sequence[str], target_names: Sequence[str]
) -> tuple[list[tuple[int, int]], int]:
    """Return the ids in the checkpoint and in the network of the classes to copy: first those by name, and their count.

    The others follow, by index, if both have the same number of classes.
    """
    known = {name: index for index, name in enumerate(names)}
    named = [(known[name], index) for index, name in enumerate(target_names) if name in known]
    matched = {index for _, index in named}
    placed = [(index, index) for index in range(own) if index not in matched] if given == own else []
    return named + placed, len(named)


def _fits(state: Mapping[str, Tensor], conv: str, own: Mapping[str, Tensor]) -> bool:
    """Return whether weight and bias of a Detect convolution differ in the number of outputs only."""
    return all(
        name in state and state[name].shape[1:] == own[name].shape[1:] for name in (f"{conv}.weight", f"{conv}.bias")
    )


def _copy_outputs(given: Tensor, tensor: Tensor, anchors: int, pairs: Sequence[tuple[int, int]]) -> None:
    old = given.reshape(anchors, -1, *given.shape[1:]).to(tensor)
    new = tensor.view(anchors, -1, *tensor.shape[1:])
    new[:, :5] = old[:, :5]
    for source, target in pairs:
        new[:, 5 + target] = old[:, 5 + source]


def _sides(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"
