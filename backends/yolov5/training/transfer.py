"""Weights from another checkpoint, as far as they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.yolov5.model import YOLOv5
from core.errors import counted

Shape = tuple[int, ...]
_DETECT = "detect.convs."
_SHOWN = 3


@dataclass(frozen=True)
class Transfer:
    """What was taken over.

    Attributes:
        loaded: Tensors taken over whole, or in all that does not hang on the classes.
        total: Tensors of the network.
        left: Name, shape in the checkpoint (None: not there) and shape in the network of all others.
        known: Classes whose outputs were taken over.
        classes: Classes of the network.
    """

    loaded: int
    total: int
    left: tuple[tuple[str, Shape | None, Shape], ...]
    known: int
    classes: int

    def line(self) -> str:
        """In one line, with the first tensors that were left."""
        classes = f"{self.known} of {counted(self.classes, 'class')}"
        text = f"transferred {self.loaded} of {counted(self.total, 'tensor')}, outputs of {classes}"
        if not self.left:
            return text
        shown = ", ".join(
            f"{name} ({'not there' if have is None else f'{_sides(have)}, not {_sides(want)}'})"
            for name, have, want in self.left[:_SHOWN]
        )
        more = len(self.left) - _SHOWN
        return f"{text}; left: {shown}" + (f" and {more} more" if more > 0 else "")


@torch.no_grad()
def transfer(
    state: Mapping[str, Tensor], model: YOLOv5, names: Sequence[str] = (), wanted: Sequence[str] = ()
) -> Transfer:
    """Copy into ``model`` what agrees in name and shape.

    The outputs of the Detect convolutions are copied row by row: box and objectness of each anchor whatever the
    classes are, and of the classes those of the same name. Where both networks have equally many classes, the
    others keep their place.

    Args:
        state: The weights of a :class:`YOLOv5`, of any precision.
        model: Changed in place.
        names: Classes of ``state``, index = class id; empty where unknown.
        wanted: Classes of ``model``, likewise.
    """
    own = model.state_dict()
    left: list[tuple[str, Shape | None, Shape]] = []
    anchors = model.config.anchors_per_level
    count = _classes(state, anchors, names)
    pairs = list(_class_pairs(count, model.config.num_classes, names, wanted))
    for name, tensor in own.items():
        given = state.get(name)
        detect = name.startswith(_DETECT)
        if given is not None and given.shape == tensor.shape and not detect:
            tensor.copy_(given)
        elif given is not None and detect and count is not None and _fits(state, name.rpartition(".")[0], own):
            _copy_outputs(given, tensor, anchors, pairs)
        else:
            left.append((name, None if given is None else tuple(given.shape), tuple(tensor.shape)))
    known = 0 if any(name.startswith(_DETECT) for name, _, _ in left) else len(pairs)
    return Transfer(len(own) - len(left), len(own), tuple(left), known, model.config.num_classes)


def _classes(state: Mapping[str, Tensor], anchors: int, names: Sequence[str]) -> int | None:
    """How many classes the checkpoint has; None where its levels do not have as many anchors."""
    outputs, rest = divmod(len(state.get(f"{_DETECT}0.bias", ())), anchors)
    if rest or outputs < 6 or (names and outputs != 5 + len(names)):
        return None
    return outputs - 5


def _class_pairs(given: int | None, own: int, names: Sequence[str], wanted: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Class in the checkpoint and in the network, of each class that both have."""
    known = {name: index for index, name in enumerate(names)}
    for index in range(own):
        name = wanted[index] if wanted else None
        if name is not None and name in known:
            yield known[name], index
        elif given == own:
            yield index, index


def _fits(state: Mapping[str, Tensor], conv: str, own: Mapping[str, Tensor]) -> bool:
    """Whether of a Detect convolution only the number of classes may differ: all of it is taken over, or nothing."""
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
