"""A histogram of values in bounded memory, and the observer with one histogram per tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from core.calibration import TensorRange
from core.errors import HooklineError

SMALLEST_WIDTH = 2.0**-40
AT_ONCE = 1 << 17  # values whose bins are found at once: the two buffers stay in the cache of a core


class Histogram:
    """Counts of the values of one tensor.

    Args:
        bins: Bins a side of zero. At least half of them cover the larger side.

    Attributes:
        min, max: Extremes that were seen; +inf and -inf before the first value.
        width: Of a bin, a power of two.
        counts: int64 [2 * bins]; counts[i] is of values in [(i - bins) * width, (i - bins + 1) * width).
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins
        self.min = math.inf
        self.max = -math.inf
        self.width = SMALLEST_WIDTH
        self.counts: NDArray[np.int64] = np.zeros(2 * bins, np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in values of any shape.

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
        """Counts by magnitude, [bins]: bin i holds |x| of i * width to (i + 1) * width."""
        return self.counts[self.bins :] + self.counts[: self.bins][::-1]

    def edges(self) -> NDArray[np.float64]:
        """The 2 * bins + 1 borders of the bins, rising."""
        borders: NDArray[np.float64] = np.arange(-self.bins, self.bins + 1) * np.float64(self.width)
        return borders

    def _double(self) -> None:
        """Double the width: pairs of bins become one, the freed places at both ends are empty."""
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts[:] = 0
        self.counts[self.bins // 2 : self.bins // 2 + self.bins] = merged
        self.width *= 2

    def _count(self, flat: NDArray[np.float32], low: float, high: float) -> None:
        """Count between the extremes of this batch only; NumPy and OpenCV let other threads run meanwhile."""
        first, last = math.floor(low / self.width), math.floor(high / self.width) + 1
        limits = [0, max(last - first, 2)]  # OpenCV wants two bins
        total = self.counts[self.bins + first : self.bins + last]
        inverse, offset = np.float32(1.0 / self.width), np.float32(first)
        for start in range(0, flat.size, AT_ONCE):
            # All exact: a power of two, whole numbers, and a difference of small whole numbers.
            places = np.floor(flat[start : start + AT_ONCE] * inverse)
            numbers = np.subtract(places, offset, out=places).astype(np.uint16)
            found = cv2.calcHist([numbers[None]], [0], None, limits[1:], limits)
            total += found.reshape(-1)[: len(total)].astype(np.int64)


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
