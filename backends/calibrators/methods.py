"""Calibration methods: minimum and maximum, percentile, entropy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from backends.calibrators.histogram import Histogram, not_finite
from core.calibration import TensorRange


class MinMaxObserver:
    """Observer that keeps minimum and maximum of each tensor."""

    def __init__(self) -> None:
        self._extremes: dict[str, tuple[float, float]] = {}

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Add one batch of one tensor.

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
        """Return the range of each observed tensor, from minimum to maximum."""
        return {
            name: TensorRange(min=low, max=high, low=low, high=high, amax=max(-low, high))
            for name, (low, high) in self._extremes.items()
        }


def percentile_range(histogram: Histogram, percentile: float) -> TensorRange:
    """Return the range that clips each end at a percentile.

    At least ``percentile`` percent of the values are >= ``low``, at least as many are <= ``high``, and at least as many
    have |x| <= ``amax``. The limits are outer edges of bins and never exceed the extremes.
    """
    total = int(histogram.counts.sum())
    outside = int(total * (1.0 - percentile / 100.0))
    edges = histogram.edges()
    low = edges[_first_beyond(histogram.counts, outside)]
    high = edges[len(edges) - 1 - _first_beyond(histogram.counts[::-1], outside)]
    magnitudes = histogram.magnitudes()
    amax = (len(magnitudes) - _first_beyond(magnitudes[::-1], outside)) * histogram.width
    return TensorRange(
        min=histogram.min,
        max=histogram.max,
        low=max(float(low), histogram.min),
        high=min(float(high), histogram.max),
        amax=min(amax, max(-histogram.min, histogram.max)),
    )


def _first_beyond(counts: NDArray[np.int64], outside: int) -> int:
    """Return the index of the first bin where the cumulative count exceeds ``outside``."""
    return int(np.searchsorted(np.cumsum(counts), outside, side="right"))


Floats = NDArray[np.float64]


def entropy_range(histogram: Histogram, levels: int) -> TensorRange:
    """Return the range whose symmetric ``amax`` has the minimum divergence; the extremes are clipped to it."""
    extreme = max(-histogram.min, histogram.max)
    amax = min(best_threshold(histogram.magnitudes(), levels) * histogram.width, extreme)
    return TensorRange(
        min=histogram.min, max=histogram.max, low=max(histogram.min, -amax), high=min(histogram.max, amax), amax=amax
    )


def best_threshold(counts: NDArray[np.int64], levels: int) -> int:
    """Return how many bins of a histogram of |x| to keep for the minimum divergence, at least ``levels``."""
    candidates = np.arange(min(levels, len(counts)), len(counts) + 1)
    return int(candidates[np.argmin(divergences(counts, candidates, levels))])


def divergences(counts: NDArray[np.int64], candidates: NDArray[np.int64], levels: int) -> Floats:
    """Return KL(P || Q) of each threshold in ``candidates`` (numbers of bins); inf if Q is 0 where P is not."""
    total = float(counts.sum())
    kept = _cumulated(counts)[candidates]
    outliers = total - kept
    last = counts[candidates - 1]
    borders = -(-np.arange(levels + 1) * candidates[:, None] // levels)
    sums = np.diff(_cumulated(counts)[borders], axis=1)
    filled = np.diff(_cumulated(counts > 0)[borders], axis=1)
    filled[:, -1] += (last == 0) & (outliers > 0)
    # P: the counts, with all outliers in the last bin, over the total. Q: the sum of each level, spread evenly over its
    # non-empty bins, over the kept count.
    mass = sums.copy()
    mass[:, -1] += outliers
    inner = _cumulated(_x_log_x(counts.astype(np.float64)))[candidates - 1]
    own = (inner + _x_log_x(last + outliers)) / total - np.log(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(sums / (filled * kept[:, None]))
        cross = np.where(mass > 0, mass * logs, 0.0).sum(axis=1) / total
    divergence: Floats = np.where(kept > 0, own - cross, np.inf)
    return divergence


def _cumulated(values: NDArray[np.generic]) -> Floats:
    """Return the cumulative sums with a leading 0: the sum of the first i values at index i."""
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _x_log_x(values: Floats) -> Floats:
    result: Floats = values * np.log(np.where(values > 0, values, 1.0))
    return result
