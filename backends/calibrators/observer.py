"""The observer of every method that looks at the whole distribution: one histogram a tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backends.calibrators.histogram import Histogram
from core.calibration import TensorRange
from core.errors import HooklineError


def not_finite(name: str) -> HooklineError:
    """The error for a tensor that holds NaN or infinity."""
    return HooklineError(
        f"tensor '{name}' holds NaN or infinite values",
        "the weights are broken or overflow: check them with precision=fp32",
    )


class HistogramObserver:
    """Fills one histogram a tensor and chooses its range at the end.

    Args:
        bins: Of a histogram, a side of zero.
        choose: The method.
    """

    def __init__(self, bins: int, choose: Callable[[Histogram], TensorRange]) -> None:
        self._bins = bins
        self._choose = choose
        self._histograms: dict[str, Histogram] = {}

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Take in one batch of one tensor.

        Raises:
            HooklineError: A value is NaN or infinite.
        """
        histogram = self._histograms.setdefault(name, Histogram(self._bins))
        try:
            histogram.add(values)
        except ValueError as error:
            raise not_finite(name) from error

    def ranges(self) -> dict[str, TensorRange]:
        """The range of each tensor seen."""
        return {name: self._choose(histogram) for name, histogram in self._histograms.items()}
