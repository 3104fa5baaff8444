"""Calibrators: observers that find the range of every activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.kinds.part import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.calibration import TensorRange

# --- calibrators ------------------------------------------------------------------------------


class RangeObserver(Protocol):
    """The heavy half of a calibrator: sees every batch of every tensor once, in flat memory."""

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Take in one batch of one tensor. Called from several threads, never twice at once for one name.

        Args:
            name: Of the tensor in the ONNX graph.
            values: Of any shape; valid only during the call.
        """
        ...

    def ranges(self) -> dict[str, TensorRange]:
        """Return the range of each tensor that was observed, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Calibrator(Part[RangeObserver]):
    """A method that turns observed activations into quantisation ranges."""

    kind: ClassVar[str] = "calibrators"
