"""Compare the first batch of a session with the head of its model.

A session of a plugin can return outputs of another shape or type, or NaN. Each of these gives one line that names the
model and the plugin. Later batches are not checked. Heavy: imports NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError, shown
from core.inference.session_statements import HINT
from core.kinds.head import BOXES, CLASSES, NUM, SCORES, Head
from core.kinds.outputs import check_decoded, check_shapes, wanted_shapes
from core.kinds.session import DeviceArray, DeviceSession, Session
from core.model_facts import DECODED, InputContract

_INTEGERS = frozenset({NUM, CLASSES})


def checked(session: Session, title: str, head: Head) -> Session:
    """Return a session whose first batch is compared with ``head``.

    Args:
        session: The opened model.
        title: The model and the part that opened it, in messages.
        head: Head of the model.
    """
    kind = CheckedDeviceSession if isinstance(session, DeviceSession) else CheckedSession
    return kind(session, title, head)  # type: ignore[arg-type]  # mypy does not relate the two types


class CheckedSession:
    """Implements :class:`core.kinds.session.Session` by another session."""

    def __init__(self, session: Session, title: str, head: Head) -> None:
        self.facts, self.contract = session.facts, session.contract
        self.layout, self.score_threshold = session.layout, session.score_threshold
        self._session, self._title, self._head = session, title, head
        self._unchecked = True

    def run(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[np.number]]:
        """Infer one batch.

        Raises:
            HooklineError: The batch is the first one, and its outputs do not match the model.
        """
        outputs = self._session.run(images)
        self._check_first(outputs, images)
        return outputs

    def _check_first(self, outputs: object, images: NDArray[np.float32] | DeviceArray) -> None:
        if self._unchecked:
            _check_outputs(outputs, _shape(images)[0], self._title, self._head, self.contract)
            self._unchecked = False

    def __enter__(self) -> CheckedSession:
        self._session.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._session.__exit__(*error)


class CheckedDeviceSession(CheckedSession):
    """Implements :class:`core.kinds.session.DeviceSession` by another session."""

    def __init__(self, session: DeviceSession, title: str, head: Head) -> None:
        super().__init__(session, title, head)
        self.device, self.stream, self.input_dtype = session.device, session.stream, session.input_dtype
        self._on_device = session

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue one batch. The values of its outputs are not computed yet, so they are not checked.

        Raises:
            HooklineError: The batch is the first one, and its outputs do not match the model.
        """
        outputs = self._on_device.run_device(images)
        self._check_first(outputs, images)
        return outputs


def _check_outputs(outputs: object, batch: int, title: str, head: Head, contract: InputContract) -> None:
    if not isinstance(outputs, Mapping) or not all(isinstance(name, str) for name in outputs):
        raise HooklineError(f"{title} returned {shown(outputs)}, not arrays by name", HINT)
    if wrong := [name for name, value in outputs.items() if not isinstance(value, np.ndarray | DeviceArray)]:
        raise HooklineError(f"{title} returned {shown(outputs[wrong[0]])} as output '{wrong[0]}', not an array", HINT)
    wanted = wanted_shapes(list(outputs), title, head, contract)
    check_shapes({name: _shape(value) for name, value in outputs.items()}, wanted, batch, title)
    for name in wanted:
        _check_type(name, _type(outputs[name]), title, head)
    if all(isinstance(outputs[name], np.ndarray) for name in wanted):
        _check_values({name: outputs[name] for name in wanted}, title, head)


def _check_type(name: str, kind: np.dtype[np.generic], title: str, head: Head) -> None:
    integer = head.layout == DECODED and name in _INTEGERS
    fits = kind == np.int32 if integer else kind in {np.dtype(np.float32), np.dtype(np.float16)}
    if not fits:
        wanted = "int32" if integer else "float32 or float16"
        raise HooklineError(f"output '{name}' of {title} is {kind}, not {wanted}", "export it again")


def _check_values(outputs: Mapping[str, NDArray[np.number]], title: str, head: Head) -> None:
    """Refuse NaN and infinity. In a decoded model, rows without a score have no box and are not checked."""
    found = dict(outputs)
    if head.layout == DECODED:
        check_decoded(outputs, title, head)
        found = {SCORES: outputs[SCORES], BOXES: outputs[BOXES][outputs[SCORES] > 0]}
    for name, values in found.items():
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise HooklineError(
                f"output '{name}' of {title} has {bad} in the first batch",
                "the weights are damaged, or their values are too large for the precision: set precision=fp32",
            )


def _shape(array: NDArray[np.number] | DeviceArray) -> tuple[int, ...]:
    return tuple(array.__cuda_array_interface__["shape"]) if isinstance(array, DeviceArray) else array.shape


def _type(array: NDArray[np.number] | DeviceArray) -> np.dtype[np.generic]:
    return np.dtype(str(array.__cuda_array_interface__["typestr"])) if isinstance(array, DeviceArray) else array.dtype
