"""What a model must give: names, shapes and types of the outputs of its head, and boxes that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.errors import HooklineError, shown
from core.kinds.head import BOXES, CLASSES, SCORES, Head, Shape
from core.model_facts import InputContract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def wanted_shapes(names: Sequence[str], title: str, head: Head, contract: InputContract) -> Mapping[str, Shape]:
    """Return the shape of each output, without the batch, by the name that the model gives it.

    Args:
        names: Of the outputs of the model.
        title: What messages call the model.
        head, contract: Of the model.

    Raises:
        HooklineError: The model has no such outputs.
    """
    wanted = {name: shape[1:] for name, shape in head.outputs(contract).items()}
    if len(wanted) == 1:  # whatever its name
        if len(names) != 1:
            raise HooklineError(f"{title} has outputs {shown(list(names))}, not one", "export it again")
        return dict(zip(names, wanted.values(), strict=True))
    if missing := [name for name in wanted if name not in names]:
        raise HooklineError(f"{title} has no output '{missing[0]}', only {shown(list(names))}", "export it again")
    return wanted


def check_shapes(found: Mapping[str, Sequence[int]], wanted: Mapping[str, Shape], batch: int, title: str) -> None:
    """Compare the shapes of the outputs of a batch.

    Args:
        found: Shape by name.
        wanted: As :func:`wanted_shapes` returns it.
        batch: Images in the batch.
        title: What messages call the model.

    Raises:
        HooklineError: One differs.
    """
    for name, shape in wanted.items():
        full = (batch, *shape)
        if len(found[name]) != len(full) or any(
            isinstance(side, int) and side != given for side, given in zip(full, found[name], strict=True)
        ):
            sides = ", ".join("any" if isinstance(side, str) else str(side) for side in full)
            raise HooklineError(f"output '{name}' of {title} is {list(found[name])}, not [{sides}]", "export it again")


def check_decoded(outputs: Mapping[str, NDArray[np.number]], title: str, head: Head) -> None:
    """Refuse boxes, scores and classes that do not belong together.

    Args:
        outputs: Of a grafted model.
        title: What messages call the model.
        head: Its head.

    Raises:
        HooklineError: They differ in number, or a class is none of the model's.
    """
    rows = {outputs[name].shape[1] for name in (BOXES, SCORES, CLASSES)}
    if len(rows) > 1:
        raise HooklineError(f"{title} gives {shown(sorted(rows))} boxes, scores and classes", "build it again")
    classes, count = outputs[CLASSES], head.facts.num_classes
    if classes.size and not 0 <= int(classes.min()) <= int(classes.max()) < count:
        raise HooklineError(f"{title} gives a box of class {int(classes.max())}, of {count}", "build it again")
