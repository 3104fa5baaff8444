"""Registration of the calibrators ``percentile``, ``entropy`` and ``minmax``."""

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
        percentile: Percentile that each end of the range is clipped at, percent of the values.
        bins: Bins of the histogram of a tensor, on each side of zero.
    """

    percentile: Annotated[float, Range(50, 100, above=True)] = 99.9999
    bins: Bins = 2048


@dataclass
class EntropyOptions:
    """Options of the calibrator ``entropy``.

    Attributes:
        bins: Bins of the histogram of a tensor, on each side of zero.
        levels: Number of quantisation levels of a magnitude when distributions are compared.
    """

    bins: Bins = 2048
    levels: Annotated[int, Range(2, MAX_BINS)] = 128


def check_entropy(options: EntropyOptions) -> Iterable[HooklineError]:
    """Yield an error if there are more levels than bins."""
    if options.levels > options.bins:
        yield HooklineError(
            f"calibrators.entropy.levels={options.levels} is more than calibrators.entropy.bins={options.bins}",
            f"set calibrators.entropy.levels to at most {options.bins}",
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
    """Register the calibrators."""
    yield Calibrator(
        name="percentile",
        summary="percentile of the values, 99.9999 by default",
        load=load_percentile,
        packages=("numpy",),
        options=PercentileOptions,
    )
    yield Calibrator(
        name="entropy",
        summary="minimum Kullback-Leibler divergence, as TensorRT's entropy calibrator",
        load=load_entropy,
        packages=("numpy",),
        options=EntropyOptions,
        check_options=check_entropy,
    )
    yield Calibrator(
        name="minmax",
        summary="minimum and maximum, without clipping",
        load=load_minmax,
        packages=("numpy",),
    )
