"""ONNX Runtime sessions, with checks of inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike, NDArray

from backends.ort.loading import ort_errors
from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError, shown
from core.kinds.head import DecodedHead, Head
from core.kinds.outputs import check_decoded, check_shapes, wanted_shapes
from core.model_facts import DECODED, InputContract

FLOAT, FLOAT16 = "tensor(float)", "tensor(float16)"
_HINT = "export it again, in float32 or float16"

Arrays = Mapping[str, NDArray[np.number]]


def check_input(session: ort.InferenceSession, model: OnnxModel | Engine) -> ort.NodeArg:
    """Return the only input of the model.

    Raises:
        HooklineError: The input has another name, there are several inputs, or its type is not float32 or float16.
    """
    name, inputs = model.contract.name, session.get_inputs()
    found = next((item for item in inputs if item.name == name), None)
    if found is None:
        raise HooklineError(f"'{model.path.name}' has no input '{name}'", "export it again")
    if len(inputs) > 1:
        other = next(item.name for item in inputs if item.name != name)
        raise HooklineError(f"'{model.path.name}' has a second input '{other}'", "export it again")
    if found.type not in {FLOAT, FLOAT16} or len(found.shape) != 4:
        sides = shown(list(found.shape))
        raise HooklineError(f"input '{name}' of '{model.path.name}' is {found.type} of shape {sides}", _HINT)
    return found


def output_check(
    names: Sequence[str], title: str, head: Head, contract: InputContract
) -> Callable[[Arrays, int], None]:
    """Return a function that checks the outputs of a batch against those of ``head``.

    Args:
        names: Names of the model's outputs.
        title: The name of the model in messages.
        head: The head of the model.
        contract: The input contract of the model.

    Raises:
        HooklineError: The model lacks outputs of the head.
    """
    wanted = wanted_shapes(names, title, head, contract)

    def check(outputs: Arrays, batch: int) -> None:
        check_shapes({name: outputs[name].shape for name in wanted}, wanted, batch, title)
        if head.layout == DECODED:
            check_decoded(outputs, title, head)

    return check


def as_float32(value: ArrayLike) -> NDArray[np.number]:
    """Return an output; float16 is converted to float32."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float16 else array


class OrtSession:
    """An ONNX Runtime session with the facts of its artifact.

    Attributes:
        facts, contract, layout: Those of the artifact.
        score_threshold: Objectness below which the model itself drops boxes; 0.0 if it does not.
    """

    def __init__(self, session: ort.InferenceSession, model: OnnxModel | Engine) -> None:
        self.facts = model.facts
        self.contract = model.contract
        self.layout = model.layout
        self.score_threshold: float = getattr(model, "score_threshold", 0.0)
        self._session: ort.InferenceSession | None = session
        self._outputs = [output.name for output in session.get_outputs()]
        self._title = f"'{model.path.name}'"
        expected = check_input(session, model)
        self._check_outputs: Callable[[Arrays, int], None] | None = None
        if model.layout == DECODED:  # the same for all model families
            self.expect(DecodedHead(model.facts))
        self._half = expected.type == FLOAT16
        self._shape = [size if isinstance(size, int) else None for size in expected.shape]

    def expect(self, head: Head) -> None:
        """Check the outputs against ``head``: their names now, shapes and class numbers at each inference.

        Raises:
            HooklineError: The model lacks outputs of the head.
        """
        self._check_outputs = output_check(self._outputs, self._title, head, self.contract)

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]:
        """Infer one batch, float32 [B, 3, H, W]. Inputs and outputs in float16 are converted from and to float32.

        If the model's batch is static, a smaller batch is padded with zeros and a larger one is split. The outputs have
        B rows in either case.

        Raises:
            HooklineError: Height, width or channels do not fit the model, ONNX Runtime fails, or the outputs do not fit
                the model's layout.
        """
        self._check(images)
        static = self._shape[0]
        if static is None or static == len(images):
            return self._infer(images)
        pieces = [self._padded(images[start : start + static], static) for start in range(0, len(images), static)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in self._outputs}

    def _padded(self, images: NDArray[np.float32], batch: int) -> dict[str, NDArray[np.number]]:
        count = len(images)
        if count < batch:
            images = np.concatenate([images, np.zeros((batch - count, *images.shape[1:]), images.dtype)])
        return {name: value[:count] for name, value in self._infer(images).items()}

    def _infer(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.number]]:
        if self._session is None:
            raise RuntimeError("the session is closed")
        feed = np.ascontiguousarray(images, np.float16 if self._half else np.float32)
        with ort_errors("run", self._title):
            values = self._session.run(self._outputs, {self.contract.name: feed})
        outputs = {name: as_float32(value) for name, value in zip(self._outputs, values, strict=True)}
        if self._check_outputs:
            self._check_outputs(outputs, len(feed))
        return outputs

    def _check(self, images: NDArray[np.float32]) -> None:
        wanted = [None, *self._shape[1:]]
        fits = images.ndim == 4 and all(size in (None, given) for size, given in zip(wanted, images.shape, strict=True))
        if not fits or not len(images):
            shape = ", ".join("any" if size is None else str(size) for size in wanted)
            raise HooklineError(
                f"a batch of shape {list(images.shape)} does not fit the model",
                f"it accepts [{shape}]; export with another size (imgsz=) or with export.dynamic",
            )

    def __enter__(self) -> OrtSession:
        return self

    def __exit__(self, *error: object) -> None:
        self._session = None
