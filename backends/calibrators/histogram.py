"""Streaming histograms of activations in constant memory, one per tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from core.calibration import TensorRange
from core.errors import HooklineError

SMALLEST_WIDTH = 2.0**-40
"""Initial width of a bin."""
CHUNK = 1 << 17
"""Number of values that are counted at once, so that both buffers fit into the cache of a core."""


class Histogram:
    """Histogram of the values of one tensor.

    Args:
        bins: Number of bins on each side of zero. The values use at least half of those on the larger side.

    Attributes:
        min: Minimum of the values; +inf before the first one.
        max: Maximum of the values; -inf before the first one.
        width: Width of a bin, a power of two.
        counts: int64 [2 * bins]; counts[i] is the number of values in [(i - bins) * width, (i - bins + 1) * width).
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins
        self.min = math.inf
        self.max = -math.inf
        self.width = SMALLEST_WIDTH
        self.counts: NDArray[np.int64] = np.zeros(2 * bins, np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Add values of any shape.

        Raises:
            ValueError: A value is NaN or infinite.
        """
        flat = np.ascontiguousarray(values).reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError("a value is NaN or infinite")
        self.min, self.max = min(self.min, low), max(self.max, high)
        while not -self.bins * self.width <= low or not high < self.bins * self.width:
            self._double()
        self._count(flat, low, high)

    def magnitudes(self) -> NDArray[np.int64]:
        """Return the counts by magnitude, [bins]: bin i counts i * width <= |x| <= (i + 1) * width."""
        return self.counts[self.bins :] + self.counts[: self.bins][::-1]

    def edges(self) -> NDArray[np.float64]:
        """Return the 2 * bins + 1 edges of the bins, ascending."""
        edges: NDArray[np.float64] = np.arange(-self.bins, self.bins + 1) * np.float64(self.width)
        return edges

    def _double(self) -> None:
        """Double the width: merge pairs of bins, which frees bins at both ends."""
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts[:] = 0
        self.counts[self.bins // 2 : self.bins // 2 + self.bins] = merged
        self.width *= 2

    def _count(self, flat: NDArray[np.float32], low: float, high: float) -> None:
        """Count the values of a batch between its extremes; NumPy and OpenCV release the GIL meanwhile."""
        first, last = math.floor(low / self.width), math.floor(high / self.width) + 1
        limits = [0, max(last - first, 2)]  # OpenCV needs two bins
        total = self.counts[self.bins + first : self.bins + last]
        inverse, offset = np.float32(1.0 / self.width), np.float32(first)
        for start in range(0, flat.size, CHUNK):
            # All exact: a power of two, integers, and a difference of small integers.
            positions = np.floor(flat[start : start + CHUNK] * inverse)
            numbers = np.subtract(positions, offset, out=positions).astype(np.uint16)
            found = cv2.calcHist([numbers[None]], [0], None, limits[1:], limits)
            total += found.reshape(-1)[: len(total)].astype(np.int64)


def not_finite(name: str) -> HooklineError:
    """Return the error for a tensor with NaN or infinite values."""
    return HooklineError(
        f"tensor '{name}' contains NaN or infinite values",
        "the weights are damaged or an activation overflows: check the model with precision=fp32",
    )


class HistogramObserver:
    """Observer that fills one histogram per tensor and computes the ranges from them.

    Args:
        bins: Number of bins on each side of zero.
        choose: Returns the range of a histogram.
    """

    def __init__(self, bins: int, choose: Callable[[Histogram], TensorRange]) -> None:
        self._bins = bins
        self._choose = choose
        self._histograms: dict[str, Histogram] = {}

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Add one batch of one tensor.

        Raises:
            HooklineError: A value is NaN or infinite.
        """
        histogram = self._histograms.setdefault(name, Histogram(self._bins))
        try:
            histogram.add(values)
        except ValueError as error:
            raise not_finite(name) from error

    def ranges(self) -> dict[str, TensorRange]:
        """Return the range of each observed tensor."""
        return {name: self._choose(histogram) for name, histogram in self._histograms.items()}
