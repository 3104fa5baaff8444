"""What a model must take and give: a file can state one thing and compute another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike, NDArray

from core.artifacts import DECODED, Engine, InputContract, OnnxModel
from core.errors import HooklineError, shown
from core.head import BOXES, CLASSES, SCORES, Head, Shape

FLOAT, FLOAT16 = "tensor(float)", "tensor(float16)"
_HINT = "export it again, in float32 or float16"

Arrays = Mapping[str, NDArray[np.number]]


def check_input(session: ort.InferenceSession, model: OnnxModel | Engine) -> ort.NodeArg:
    """Return the one input of the model.

    Raises:
        HooklineError: It has another one, more of them, or takes other numbers than float32 and float16.
    """
    name, inputs = model.contract.name, session.get_inputs()
    found = next((item for item in inputs if item.name == name), None)
    if found is None:
        raise HooklineError(f"'{model.path.name}' has no input '{name}'", "export it again")
    if len(inputs) > 1:
        other = next(item.name for item in inputs if item.name != name)
        raise HooklineError(f"'{model.path.name}' has the input '{other}' besides '{name}'", "export it again")
    if found.type not in {FLOAT, FLOAT16} or len(found.shape) != 4:
        sides = shown(list(found.shape))
        raise HooklineError(f"input '{name}' of '{model.path.name}' is a {found.type} of shape {sides}", _HINT)
    return found


def output_check(
    names: Sequence[str], title: str, head: Head, contract: InputContract
) -> Callable[[Arrays, int], None]:
    """Return what checks the outputs of a batch against those of ``head``.

    Args:
        names: Of the outputs of the model.
        title: What messages call the model.
        head, contract: Of the model.

    Raises:
        HooklineError: The model has no such outputs.
    """
    wanted = {name: shape[1:] for name, shape in _wanted(names, title, head, contract).items()}

    def check(outputs: Arrays, batch: int) -> None:
        for name, shape in wanted.items():
            found = outputs[name].shape
            if (
                len(found) != 1 + len(shape)
                or found[0] != batch
                or any(isinstance(side, int) and side != given for side, given in zip(shape, found[1:], strict=True))
            ):
                sides = ", ".join("any" if isinstance(side, str) else str(side) for side in (batch, *shape))
                raise HooklineError(f"output '{name}' of {title} is {list(found)}, not [{sides}]", "export it again")
        if head.layout == DECODED:
            _check_decoded(outputs, title, head)

    return check


def _wanted(names: Sequence[str], title: str, head: Head, contract: InputContract) -> Mapping[str, Shape]:
    """Return the shape of each output by the name that the model gives it."""
    wanted = head.outputs(contract)
    if len(wanted) == 1:  # whatever its name
        if len(names) > 1:
            raise HooklineError(f"{title} has outputs {shown(list(names))}, not one", "export it again")
        return dict(zip(names, wanted.values(), strict=True))
    if missing := [name for name in wanted if name not in names]:
        raise HooklineError(f"{title} has no output '{missing[0]}', only {shown(list(names))}", "export it again")
    return wanted


def _check_decoded(outputs: Arrays, title: str, head: Head) -> None:
    """Refuse boxes, scores and classes that do not belong together."""
    rows = {outputs[name].shape[1] for name in (BOXES, SCORES, CLASSES)}
    if len(rows) > 1:
        raise HooklineError(f"{title} gives {shown(sorted(rows))} boxes, scores and classes", "build it again")
    classes, count = outputs[CLASSES], head.facts.num_classes
    if classes.size and not 0 <= int(classes.min()) <= int(classes.max()) < count:
        raise HooklineError(f"{title} gives a box of class {int(classes.max())}, of {count}", "build it again")


def as_float32(value: ArrayLike) -> NDArray[np.number]:
    """Return an output with its float16 as float32, and all else as it is."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float16 else array
