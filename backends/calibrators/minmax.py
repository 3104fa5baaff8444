"""The extremes: nothing is clipped, and one stray value sets the step of all others."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from backends.calibrators.observer import not_finite
from core.calibration import TensorRange


class MinMaxObserver:
    """Keeps two numbers a tensor."""

    def __init__(self) -> None:
        self._extremes: dict[str, tuple[float, float]] = {}

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Take in one batch of one tensor.

        Raises:
            HooklineError: A value is NaN or infinite.
        """
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise not_finite(name)
        before = self._extremes.get(name, (low, high))
        self._extremes[name] = min(low, before[0]), max(high, before[1])

    def ranges(self) -> dict[str, TensorRange]:
        """The range of each tensor seen: all of it."""
        return {
            name: TensorRange(min=low, max=high, low=low, high=high, amax=max(-low, high))
            for name, (low, high) in self._extremes.items()
        }
