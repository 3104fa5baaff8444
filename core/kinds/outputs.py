"""Checks of the outputs of a model: names, shapes, and consistency of decoded boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.errors import HooklineError, counted, shown
from core.kinds.head import BOXES, CLASSES, SCORES, Head, Shape
from core.model_facts import InputContract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def wanted_shapes(names: Sequence[str], title: str, head: Head, contract: InputContract) -> Mapping[str, Shape]:
    """Return the expected shape of each output, without the batch axis, by output name.

    Args:
        names: Output names of the model.
        title: Name of the model in messages.
        head: Head of the model.
        contract: Input of the model.

    Raises:
        HooklineError: An output is missing.
    """
    wanted = {name: shape[1:] for name, shape in head.outputs(contract).items()}
    if len(wanted) == 1:  # any name is accepted
        if len(names) != 1:
            raise HooklineError(f"{title} has outputs {shown(list(names))}, not one", "export it again")
        return dict(zip(names, wanted.values(), strict=True))
    if missing := [name for name in wanted if name not in names]:
        raise HooklineError(f"{title} has no output '{missing[0]}', only {shown(list(names))}", "export it again")
    return wanted


def check_shapes(found: Mapping[str, Sequence[int]], wanted: Mapping[str, Shape], batch: int, title: str) -> None:
    """Check the shapes of the outputs of a batch.

    Args:
        found: Shapes by output name.
        wanted: Expected shapes from :func:`wanted_shapes`.
        batch: Number of images in the batch.
        title: Name of the model in messages.

    Raises:
        HooklineError: A shape differs.
    """
    for name, shape in wanted.items():
        full = (batch, *shape)
        if len(found[name]) != len(full) or any(
            isinstance(side, int) and side != given for side, given in zip(full, found[name], strict=True)
        ):
            sides = ", ".join("any" if isinstance(side, str) else str(side) for side in full)
            raise HooklineError(f"output '{name}' of {title} is {list(found[name])}, not [{sides}]", "export it again")


def check_decoded(outputs: Mapping[str, NDArray[np.number]], title: str, head: Head) -> None:
    """Check that the boxes, scores and classes of a decoded model are consistent.

    Args:
        outputs: Outputs of a grafted model.
        title: Name of the model in messages.
        head: Head of the model.

    Raises:
        HooklineError: The numbers of rows differ, or a class id is out of range.
    """
    rows = {outputs[name].shape[1] for name in (BOXES, SCORES, CLASSES)}
    if len(rows) > 1:
        raise HooklineError(
            f"the numbers of boxes, scores and classes of {title} differ: {shown(sorted(rows))}", "build it again"
        )
    classes, count = outputs[CLASSES], head.facts.num_classes
    if not classes.size:
        return
    low, high = int(classes.min()), int(classes.max())
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise HooklineError(
            f"{title} outputs a box with class id {wrong}, but has {counted(count, 'class')}", "build it again"
        )
