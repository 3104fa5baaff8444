"""The calibration methods on distributions whose answer is known."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backends.calibrators.methods import best_threshold, divergences
from backends.calibrators.plugin import (
    EntropyOptions,
    PercentileOptions,
    check_entropy,
    hookline_calibrators,
    load_entropy,
    load_minmax,
    load_percentile,
)
from core.errors import HooklineError
from tests.backends.calibrators.test_histogram import values_of


def range_by(observer, *batches):
    for batch in batches:
        observer.observe("t", batch)
    return observer.ranges()["t"]


def test_minmax_is_the_extremes_over_all_batches():
    found = range_by(load_minmax(), values_of("gaussian"), values_of("uniform"))
    both = np.concatenate([values_of("gaussian"), values_of("uniform")])
    assert (found.min, found.max) == (found.low, found.high) == (both.min(), both.max())
    assert found.amax == np.abs(both).max()


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.99])
@pytest.mark.parametrize("kind", ["gaussian", "uniform", "negative", "growing"])
def test_percentile_is_that_of_the_sorted_values(kind, percentile):
    values = values_of(kind)
    found = range_by(load_percentile(PercentileOptions(percentile)), *np.array_split(values, 5))
    outside = int(values.size * (1 - percentile / 100))
    ordered, sizes = np.sort(values), np.sort(np.abs(values))
    width = np.abs(values).max() / 1024
    assert found.low <= ordered[outside] <= found.low + width
    assert found.high - width <= ordered[-1 - outside] <= found.high
    assert found.amax - width <= sizes[-1 - outside] <= found.amax
    assert found.min <= found.low
    assert found.high <= found.max


def test_percentile_leaves_an_outlier_out():
    values = values_of("outlier", 2_000_000)
    found = range_by(load_percentile(PercentileOptions()), values)
    assert found.max == 1e4
    assert found.high < 10


@pytest.mark.parametrize("load", [lambda: load_percentile(PercentileOptions(100.0)), load_minmax])
def test_everything_inside_is_the_extremes(load):
    values = values_of("gaussian")
    found = range_by(load(), values)
    assert (found.low, found.high) == (values.min(), values.max())


def test_entropy_clips_a_long_tail_and_keeps_an_even_distribution():
    rng = np.random.default_rng(0)
    heavy = rng.standard_t(2, 200_000).astype(np.float32)
    tail = range_by(load_entropy(EntropyOptions()), heavy)
    assert tail.amax < 0.5 * np.abs(heavy).max()
    assert (tail.low, tail.high) == (-tail.amax, tail.amax)
    even = range_by(load_entropy(EntropyOptions()), rng.uniform(0, 1, 200_000).astype(np.float32))
    assert even.amax == pytest.approx(1.0, rel=0.02)
    assert even.low == even.min


@pytest.mark.parametrize(
    "load",
    [
        load_minmax,
        lambda: load_percentile(PercentileOptions()),
        lambda: load_entropy(EntropyOptions()),
    ],
)
@pytest.mark.parametrize(("kind", "value"), [("zero", 0.0), ("constant", np.float32(0.3))])
def test_a_constant_tensor(load, kind, value):
    found = range_by(load(), values_of(kind))
    assert (found.min, found.max, found.low, found.high, found.amax) == (value,) * 5


def plain_divergence(counts, keep, levels):
    """The definition, implemented bin by bin."""
    reference = [float(count) for count in counts[:keep]]
    reference[-1] += float(sum(counts[keep:]))
    kept = float(sum(counts[:keep]))
    candidate = [0.0] * keep
    for level in range(levels):
        members = [i for i in range(keep) if i * levels // keep == level]
        filled = [i for i in members if reference[i] > 0]
        for i in filled:
            candidate[i] = sum(counts[j] for j in members) / len(filled)
    total, divergence = sum(reference), 0.0
    for p, q in zip(reference, candidate, strict=True):
        if p > 0:
            if q == 0:
                return math.inf
            divergence += p / total * math.log((p / total) / (q / kept))
    return divergence


@pytest.mark.parametrize("seed", range(6))
def test_divergence_is_the_plain_loop(seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(200 * np.exp(-np.arange(96) / rng.uniform(5, 40))) * (rng.random(96) > 0.2)
    candidates = np.arange(16, 97)
    expected = [plain_divergence(counts, int(keep), 16) for keep in candidates]
    np.testing.assert_allclose(divergences(counts, candidates, 16), expected, atol=1e-12)
    assert best_threshold(counts, 16) == candidates[int(np.argmin(np.round(expected, 12)))]


def test_one_observer_takes_many_tensors_from_many_threads():
    tensors = {f"t{i}": np.random.default_rng(i).standard_normal(5000).astype(np.float32) for i in range(40)}
    alone, together = load_entropy(EntropyOptions()), load_entropy(EntropyOptions())
    for name, values in tensors.items():
        alone.observe(name, values)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(together.observe, tensors, tensors.values()))
    assert together.ranges() == alone.ranges()


@pytest.mark.parametrize("name", ["minmax", "percentile", "entropy"])
def test_not_a_number_names_the_tensor(name):
    part = next(item for item in hookline_calibrators() if item.name == name)
    observer = part.load(part.options())
    with pytest.raises(HooklineError, match="tensor 'conv 1' contains NaN"):
        observer.observe("conv 1", np.array([np.nan], np.float32))


def test_more_levels_than_bins():
    (problem,) = check_entropy(EntropyOptions(bins=128, levels=256))
    assert "levels=256 is more than calibrators.entropy.bins=128" in str(problem)
    assert list(check_entropy(EntropyOptions(bins=128, levels=128))) == []
