"""Calibrators: the descriptor, and the observer that finds the range of every activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.kinds.part import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.calibration import TensorRange


class RangeObserver(Protocol):
    """The implementation of a calibrator: it observes every batch of every tensor once, in constant memory."""

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Observe one batch of one tensor. Called from several threads, but never concurrently for the same name.

        Args:
            name: Name of the tensor in the ONNX graph.
            values: Values of any shape; valid only during the call.
        """
        ...

    def ranges(self) -> dict[str, TensorRange]:
        """Return the range of each observed tensor by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Calibrator(Part[RangeObserver]):
    """A method that derives quantisation ranges from observed activations."""

    kind: ClassVar[str] = "calibrators"
