"""The streaming histogram: exact counts, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest

from backends.calibrators.histogram import CHUNK, Histogram


def values_of(kind, count=20_000):
    rng = np.random.default_rng(7)
    made = {
        "gaussian": rng.standard_normal(count) * 3,
        "uniform": rng.uniform(-1, 5, count),
        "outlier": np.append(rng.standard_normal(count) * 1e-3, 1e4),
        "negative": -rng.exponential(2.0, count),
        "growing": np.sort(np.abs(rng.standard_normal(count))) ** 6 * 1e3,
        "constant": np.full(count, 0.3),
        "zero": np.zeros(count),
        "tiny": rng.standard_normal(count) * 1e-30,
    }
    return made[kind].astype(np.float32)


KINDS = ("gaussian", "uniform", "outlier", "negative", "growing", "constant", "zero", "tiny")


def filled(values, bins=2048, parts=1):
    histogram = Histogram(bins)
    for part in np.array_split(values, parts):
        histogram.add(part)
    return histogram


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_those_of_numpy(kind):
    values = values_of(kind)
    histogram = filled(values, parts=3)
    expected, _ = np.histogram(values.astype(np.float64), bins=histogram.edges())
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.counts.sum() == values.size
    assert (histogram.min, histogram.max) == (values.min(), values.max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [2, 17])
def test_batches_and_their_order_do_not_matter(kind, parts):
    values = values_of(kind)
    once, streamed = filled(values), filled(values[::-1], parts=parts)
    assert streamed.width == once.width
    np.testing.assert_array_equal(streamed.counts, once.counts)


@pytest.mark.parametrize("kind", ["gaussian", "uniform", "outlier", "negative", "growing"])
def test_width_is_the_finest_power_of_two(kind):
    histogram = filled(values_of(kind))
    largest = max(-histogram.min, histogram.max)
    assert np.log2(histogram.width) == round(np.log2(histogram.width))
    assert histogram.bins * histogram.width / 2 <= largest <= histogram.bins * histogram.width


def test_more_values_than_are_counted_at_once():
    values = np.random.default_rng(1).standard_normal(CHUNK * 2 + 3).astype(np.float32)
    histogram = filled(values)
    np.testing.assert_array_equal(histogram.counts, np.histogram(values, bins=histogram.edges())[0])


def test_magnitudes_fold_at_zero():
    values = values_of("uniform")
    histogram = filled(values)
    edges = np.arange(histogram.bins + 1) * histogram.width
    np.testing.assert_array_equal(histogram.magnitudes(), np.histogram(np.abs(values), bins=edges)[0])


def test_any_shape_and_nothing():
    histogram = Histogram(128)
    histogram.add(np.zeros((0, 3), np.float32))
    assert histogram.counts.sum() == 0
    histogram.add(np.ones((2, 3, 4, 5), np.float32)[:, ::2])
    assert histogram.counts.sum() == 2 * 2 * 4 * 5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(bad):
    with pytest.raises(ValueError, match="NaN or infinite"):
        Histogram(128).add(np.array([1, bad], np.float32))
