"""The calibration methods that come with hookline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.parts import Calibrator, NoOptions

if TYPE_CHECKING:
    from backends.calibrators.minmax import MinMaxObserver
    from backends.calibrators.observer import HistogramObserver


@dataclass
class PercentileOptions:
    """Options of the calibrator ``percentile``.

    Attributes:
        percentile: Share of the values, in per cent, that must lie inside each end of the range.
        bins: Bins of a tensor's histogram, a side of zero.
    """

    percentile: float = 99.9999
    bins: int = 2048

    def __post_init__(self) -> None:
        if not 50.0 < self.percentile <= 100.0:
            raise HooklineError(f"percentile is {self.percentile}", "give a share of the values above 50 and up to 100")
        check_bins(self.bins)


@dataclass
class EntropyOptions:
    """Options of the calibrator ``entropy``.

    Attributes:
        bins: Bins of a tensor's histogram, a side of zero.
        levels: Steps that a magnitude is quantised to when distributions are compared.
    """

    bins: int = 2048
    levels: int = 128

    def __post_init__(self) -> None:
        check_bins(self.bins)
        if not 2 <= self.levels <= self.bins:
            raise HooklineError(f"levels is {self.levels}", f"give 2 to {self.bins}, the number of bins")


def check_bins(bins: int) -> None:
    """Refuse histograms that are too coarse to say anything, odd, or absurd."""
    if not 128 <= bins <= 1 << 15 or bins % 2:
        raise HooklineError(f"bins is {bins}", "give an even number of 128 to 32768")


def load_minmax(_: NoOptions) -> MinMaxObserver:
    """Import the heavy half."""
    from backends.calibrators.minmax import MinMaxObserver

    return MinMaxObserver()


def load_percentile(options: PercentileOptions) -> HistogramObserver:
    """Import the heavy half."""
    from backends.calibrators.observer import HistogramObserver
    from backends.calibrators.percentile import percentile_range

    return HistogramObserver(options.bins, partial(percentile_range, percentile=options.percentile))


def load_entropy(options: EntropyOptions) -> HistogramObserver:
    """Import the heavy half."""
    from backends.calibrators.entropy import entropy_range
    from backends.calibrators.observer import HistogramObserver

    return HistogramObserver(options.bins, partial(entropy_range, levels=options.levels))


@hookimpl
def hookline_calibrators() -> Iterable[Calibrator]:
    """Register the methods."""
    yield Calibrator(
        name="percentile",
        summary="clip the rarest values: keeps 99.9999 per cent inside",
        load=load_percentile,
        options=PercentileOptions,
    )
    yield Calibrator(
        name="entropy",
        summary="least Kullback-Leibler divergence, as TensorRT's entropy calibrator",
        load=load_entropy,
        options=EntropyOptions,
    )
    yield Calibrator(name="minmax", summary="the extremes that were seen, nothing clipped", load=load_minmax)
