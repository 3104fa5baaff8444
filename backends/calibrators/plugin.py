"""The calibration methods that come with hookline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from core.errors import HooklineError
from core.kinds.calibrator import Calibrator
from core.options.ranges import Range
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from backends.calibrators.histogram import HistogramObserver
    from backends.calibrators.methods import MinMaxObserver


MAX_BINS = 1 << 15
Bins = Annotated[int, Range(128, MAX_BINS, multiple=2)]


@dataclass
class PercentileOptions:
    """Options of the calibrator ``percentile``.

    Attributes:
        percentile: Share of the values, in per cent, that must lie inside each end of the range.
        bins: Bins of a tensor's histogram, a side of zero.
    """

    percentile: Annotated[float, Range(50, 100, above=True)] = 99.9999
    bins: Bins = 2048


@dataclass
class EntropyOptions:
    """Options of the calibrator ``entropy``.

    Attributes:
        bins: Bins of a tensor's histogram, a side of zero.
        levels: Steps that a magnitude is quantised to when distributions are compared.
    """

    bins: Bins = 2048
    levels: Annotated[int, Range(2, MAX_BINS)] = 128


def check_entropy(options: EntropyOptions) -> Iterable[HooklineError]:
    """Yield what is wrong where there are more levels than bins."""
    if options.levels > options.bins:
        yield HooklineError(
            f"calibrators.entropy.levels={options.levels} is more than calibrators.entropy.bins={options.bins}",
            "give at most one level per bin",
        )


def load_minmax() -> MinMaxObserver:
    """Import the implementation."""
    from backends.calibrators.methods import MinMaxObserver

    return MinMaxObserver()


def load_percentile(options: PercentileOptions) -> HistogramObserver:
    """Import the implementation."""
    from backends.calibrators.histogram import HistogramObserver
    from backends.calibrators.methods import percentile_range

    return HistogramObserver(options.bins, partial(percentile_range, percentile=options.percentile))


def load_entropy(options: EntropyOptions) -> HistogramObserver:
    """Import the implementation."""
    from backends.calibrators.histogram import HistogramObserver
    from backends.calibrators.methods import entropy_range

    return HistogramObserver(options.bins, partial(entropy_range, levels=options.levels))


@hookimpl
def hookline_calibrators() -> Iterable[Calibrator]:
    """Register the methods."""
    yield Calibrator(
        name="percentile",
        summary="clip the rarest values: keeps 99.9999 per cent inside",
        load=load_percentile,
        packages=("numpy",),
        options=PercentileOptions,
    )
    yield Calibrator(
        name="entropy",
        summary="least Kullback-Leibler divergence, as TensorRT's entropy calibrator",
        load=load_entropy,
        packages=("numpy",),
        options=EntropyOptions,
        check_options=check_entropy,
    )
    yield Calibrator(
        name="minmax", summary="the extremes that were seen, nothing clipped", load=load_minmax, packages=("numpy",)
    )
