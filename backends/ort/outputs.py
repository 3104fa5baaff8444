"""What a model must take and give: a file can state one thing and compute another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike, NDArray

from core.artifacts import DECODED, Engine, InputContract, OnnxModel
from core.errors import HooklineError, shown
from core.head import Head
from core.outputs import check_decoded, check_shapes, wanted_shapes

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
    wanted = wanted_shapes(names, title, head, contract)

    def check(outputs: Arrays, batch: int) -> None:
        check_shapes({name: outputs[name].shape for name in wanted}, wanted, batch, title)
        if head.layout == DECODED:
            check_decoded(outputs, title, head)

    return check


def as_float32(value: ArrayLike) -> NDArray[np.number]:
    """Return an output with its float16 as float32, and all else as it is."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float16 else array
