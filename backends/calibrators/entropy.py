"""The range whose quantised distribution is nearest to the real one by Kullback-Leibler divergence.

After S. Migacz, "8-bit Inference with TensorRT" (GTC 2017). For every threshold of i bins of the
histogram of |x|: P is the first i bins, all outliers added to the last one; Q is the first i bins
without the outliers, summed to ``levels`` equal parts, each spread evenly over those of its bins that
are not empty in P. The threshold with the least KL(P || Q) wins; the first one where several do.

With cumulative sums a threshold costs ``levels`` operations instead of i: with counts h, total N,
n = sum h[:i], outliers o = N - n, and a level's sum S and number of non-empty bins c,
    KL = sum_bins P log P - sum_levels P_level log(S / (c n)),    P_level = S / N (last level: (S + o) / N).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backends.calibrators.histogram import Histogram
from core.calibration import TensorRange

Floats = NDArray[np.float64]


def entropy_range(histogram: Histogram, levels: int) -> TensorRange:
    """Symmetric ``amax`` by divergence; ``low`` and ``high`` are the extremes clipped to [-amax, amax]."""
    extreme = max(-histogram.min, histogram.max)
    amax = min(best_threshold(histogram.magnitudes(), levels) * histogram.width, extreme)
    return TensorRange(
        min=histogram.min, max=histogram.max, low=max(histogram.min, -amax), high=min(histogram.max, amax), amax=amax
    )


def best_threshold(counts: NDArray[np.int64], levels: int) -> int:
    """How many bins of a histogram of |x| to keep, from ``levels`` to all."""
    candidates = np.arange(min(levels, len(counts)), len(counts) + 1)
    return int(candidates[np.argmin(divergences(counts, candidates, levels))])


def divergences(counts: NDArray[np.int64], candidates: NDArray[np.int64], levels: int) -> Floats:
    """KL(P || Q) of each threshold in ``candidates`` (numbers of bins); inf where Q misses a value of P."""
    total = float(counts.sum())
    kept = _cumulated(counts)[candidates]
    outliers = total - kept
    last = counts[candidates - 1]
    borders = -(-np.arange(levels + 1) * candidates[:, None] // levels)
    sums = np.diff(_cumulated(counts)[borders], axis=1)
    filled = np.diff(_cumulated(counts > 0)[borders], axis=1)
    filled[:, -1] += (last == 0) & (outliers > 0)
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
    """Sum of the first i values at index i."""
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _x_log_x(values: Floats) -> Floats:
    result: Floats = values * np.log(np.where(values > 0, values, 1.0))
    return result
