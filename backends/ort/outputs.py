"""What a model must take and give by its layout: a file can state one thing and compute another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.artifacts import Engine, Layout, OnnxModel
from core.errors import HooklineError, shown

FLOAT, FLOAT16 = "tensor(float)", "tensor(float16)"
DECODED = {
    "DecodeNumDetection": (1,),
    "DecodeDetectionBoxes": (-1, 4),
    "DecodeDetectionScores": (-1,),
    "DecodeDetectionClasses": (-1,),
}
"""Shape of each output of the layout ``decoded`` after the batch; -1 is any number."""
_HINT = "export it again, in float32 or float16"

Arrays = Mapping[str, NDArray[Any]]


def check_input(session: ort.InferenceSession, model: OnnxModel | Engine) -> Any:
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


def output_check(session: ort.InferenceSession, model: OnnxModel | Engine) -> Callable[[Arrays, int], None]:
    """Return what checks the outputs of a batch.

    Raises:
        HooklineError: The model has no such outputs.
    """
    wanted = _wanted(model, [item.name for item in session.get_outputs()])
    title = model.path.name

    def check(outputs: Arrays, batch: int) -> None:
        for name, shape in wanted.items():
            found = outputs[name].shape
            if (
                len(found) != 1 + len(shape)
                or found[0] != batch
                or any(side not in (-1, given) for side, given in zip(shape, found[1:], strict=True))
            ):
                sides = ", ".join("any" if side == -1 else str(side) for side in (batch, *shape))
                raise HooklineError(f"output '{name}' of '{title}' is {list(found)}, not [{sides}]", "export it again")
        if model.layout is Layout.decoded:
            rows = {outputs[name].shape[1] for name in DECODED if name != "DecodeNumDetection"}
            if len(rows) > 1:
                raise HooklineError(
                    f"'{title}' gives {shown(sorted(rows))} boxes, scores and classes", "build it again"
                )
            classes, count = outputs["DecodeDetectionClasses"], model.facts.num_classes
            if classes.size and not 0 <= int(classes.min()) <= int(classes.max()) < count:
                raise HooklineError(
                    f"'{title}' gives a box of class {int(classes.max())}, of {count}", "build it again"
                )

    return check


def _wanted(model: OnnxModel | Engine, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output after the batch; -1 is any number."""
    facts, per_anchor = model.facts, 5 + model.facts.num_classes
    if model.layout is Layout.decoded:
        wanted: dict[str, tuple[int, ...]] = dict(DECODED)
    elif model.layout is Layout.classic:
        wanted = {names[0]: (-1, per_anchor)} if len(names) == 1 else {"output0": (-1, per_anchor)}
    else:
        wanted = {f"p{3 + level}": (len(sides) // 2 * per_anchor, -1, -1) for level, sides in enumerate(facts.anchors)}
    if missing := sorted(wanted.keys() - set(names)):
        raise HooklineError(f"'{model.path.name}' has no output '{missing[0]}', only {shown(names)}", "export it again")
    if len(names) > 1 and model.layout is Layout.classic:
        raise HooklineError(f"'{model.path.name}' has outputs {shown(names)}, not one", "export it again")
    return wanted


def as_float32(value: Any) -> NDArray[Any]:
    """Return an output with its float16 as float32, and all else as it is."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float16 else array
