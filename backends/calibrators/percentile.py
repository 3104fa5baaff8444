"""The range that all but a share of the values lie in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backends.calibrators.histogram import Histogram
from core.calibration import TensorRange


def percentile_range(histogram: Histogram, percentile: float) -> TensorRange:
    """Clip each end where ``percentile`` per cent of the values are on the inner side of it.

    ``low``, ``high`` and ``amax`` are borders of bins, the outer ones, never beyond what was seen:
    at least ``percentile`` of the values are >= low, as many are <= high, as many have |x| <= amax.
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
    """Index of the first bin with more than ``outside`` values up to and including it."""
    return int(np.searchsorted(np.cumsum(counts), outside, side="right"))
