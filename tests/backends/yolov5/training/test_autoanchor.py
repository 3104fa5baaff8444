"""Anchors that suit the boxes of a data set."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.yolov5.config import P5_ANCHORS, P6_ANCHORS, scaled
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.autoanchor import best_possible_recall, check_anchors, fit_anchors, training_sizes

CLUSTERS = np.array([[6, 6], [12, 40], [40, 12], [70, 70], [30, 200], [200, 30], [180, 160], [350, 150], [500, 480]])


def around(
    centres: NDArray[np.floating], *, each: int = 60, spread: float = 0.04, seed: int = 0
) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.repeat(centres, each, 0) * np.exp(spread * rng.standard_normal((len(centres) * each, 2)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10, 10), 1), ((39.9, 10), 1), ((40.1, 10), 0), ((2.49, 10), 0), ((2.51, 39), 1), ((0, 10), 0)],
)
def test_recall_of_one_anchor(size: tuple[float, float], expected: float) -> None:
    assert best_possible_recall(np.array([size], np.float64), [10, 10], 4) == expected


def test_recall_is_that_of_the_best_anchor() -> None:
    sizes = np.array([[10, 13], [373, 326], [600, 3], [3, 600]], np.float64)
    assert best_possible_recall(sizes, P5_ANCHORS, 4) == 0.5
    assert best_possible_recall(sizes[:0], P5_ANCHORS, 4) == 1


def test_sizes_as_training_sees_them() -> None:
    fractions = np.full((1000, 2), 0.5, np.float32)
    sizes = training_sizes(fractions, np.tile([400, 200], (1000, 1)), 640, seed=3)
    assert np.allclose(sizes[:, 0], 2 * sizes[:, 1])
    assert 288 <= sizes[:, 0].min() < 292
    assert 348 < sizes[:, 0].max() <= 352
    assert np.array_equal(sizes, training_sizes(fractions, np.tile([400, 200], (1000, 1)), 640, seed=3))


@pytest.mark.parametrize("seed", range(5))
def test_finds_clusters(seed: int) -> None:
    anchors = fit_anchors(around(CLUSTERS), len(CLUSTERS), 4, seed=seed)
    assert np.all(np.diff(anchors.prod(1)) >= 0), "small area first"
    assert best_possible_recall(around(CLUSTERS), anchors, 1.25) == 1


def test_mutation_fits_better() -> None:
    sizes = np.exp(np.random.default_rng(1).normal(3.5, 1.2, (2000, 2)))
    means = []
    for generations in (0, 300):
        ratios = sizes[:, None] / fit_anchors(sizes, 9, 4, seed=0, generations=generations)
        best = np.minimum(ratios, 1 / ratios).min(2).max(1)
        means.append(best[best > 1 / 4].sum() / len(best))
    assert means[1] > means[0] + 0.005


def test_same_seed_same_anchors() -> None:
    sizes = around(CLUSTERS)
    assert np.array_equal(
        fit_anchors(sizes, 9, 4, seed=5, generations=50), fit_anchors(sizes, 9, 4, seed=5, generations=50)
    )
    assert not np.array_equal(
        fit_anchors(sizes, 9, 4, seed=5, generations=50), fit_anchors(sizes, 9, 4, seed=6, generations=50)
    )


def test_many_boxes_are_sampled() -> None:
    sizes = around(CLUSTERS)
    anchors = fit_anchors(sizes, 9, 4, seed=0, generations=100, sample=90)
    assert best_possible_recall(sizes, anchors, 4) == 1


@pytest.mark.parametrize("sizes", [np.full((50, 2), 20.0), np.tile([[20.0, 10.0], [10.0, 20.0]], (30, 1))])
def test_boxes_all_alike(sizes: NDArray[np.float64]) -> None:
    anchors = fit_anchors(sizes, 9, 4, seed=0, generations=100)
    assert np.isfinite(anchors).all()
    assert best_possible_recall(sizes, anchors, 1.1) == 1


def test_too_few_boxes() -> None:
    with pytest.raises(TrainingError, match="too few boxes to fit 9 anchors: 8"):
        fit_anchors(np.full((8, 2), 20.0), 9, 4, seed=0)
    with pytest.raises(TrainingError, match="fit 9 anchors: 0"):
        fit_anchors(np.full((50, 2), 1.0), 9, 4, seed=0)


@pytest.mark.parametrize("anchors", [P5_ANCHORS, P6_ANCHORS], ids=["P5", "P6"])
def test_good_anchors_are_kept(anchors: tuple[tuple[float, ...], ...]) -> None:
    config = scaled(depth=0.33, width=0.125, num_classes=1, anchors=anchors)
    sizes = around(np.array(anchors).reshape(-1, 2), each=10)
    assert check_anchors(config, sizes, 4, 0) == (
        anchors,
        f"anchors: best possible recall 1.0000 of {len(sizes)} boxes",
    )


@pytest.mark.parametrize("anchors", [P5_ANCHORS, P6_ANCHORS], ids=["P5", "P6"])
def test_bad_anchors_are_replaced(anchors: tuple[tuple[float, ...], ...]) -> None:
    config = scaled(depth=0.33, width=0.125, num_classes=1, anchors=anchors)
    sizes = around(np.array([[3, 90], [90, 3], [2.5, 2.5]]), each=100)
    found, line = check_anchors(config, sizes, 4, 0)
    assert [len(level) for level in found] == [len(level) for level in anchors]
    assert line.startswith("anchors: best possible recall 0.")
    assert "; 1.0000 with fitted anchors: " in line
    assert best_possible_recall(sizes, found, 4) == 1


def test_anchors_are_kept_where_boxes_are_too_few() -> None:
    config = scaled(depth=0.33, width=0.125, num_classes=1)
    found, line = check_anchors(config, np.array([[2.0, 300.0]]), 4, 0)
    assert found == P5_ANCHORS
    assert line == "anchors: best possible recall 0.0000 of 1 box; kept: too few boxes to fit 9 anchors: 1"


def test_anchors_are_kept_where_fitted_ones_are_not_better() -> None:
    config = scaled(depth=0.33, width=0.125, num_classes=1)
    sizes = np.concatenate((np.full((95, 2), 30.0), np.full((5, 2), 0.5)))
    found, line = check_anchors(config, sizes, 4, 0)
    assert found == P5_ANCHORS
    assert line.endswith("0.9500 of 100 boxes; kept: fitted anchors reach 0.9500")
