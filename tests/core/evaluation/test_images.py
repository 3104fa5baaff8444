from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Sample
from core.evaluation.curves import CONFIDENCES, Curves
from core.evaluation.images import draw_evaluation, draw_pages
from core.evaluation.loop import EvaluatedImage
from core.evaluation.scores import Scores, score
from core.labels import Labels
from core.media.picture import read_picture
from tests.core.evaluation.test_scores import random_case
from tests.support.dataset_tools import write_picture
from tests.support.fake_parts import detections


def scores_of(seed: int = 0) -> Scores:
    truth, found, *_ = random_case(seed)
    return score(truth, found)


@pytest.mark.parametrize("seed", range(3))
def test_curves_agree_with_the_table(seed: int) -> None:
    scores = scores_of(seed)
    curves = scores.curves
    assert curves.names == tuple(row.name for row in scores.classes)
    assert curves.instances == tuple(row.instances for row in scores.classes)
    assert CONFIDENCES[curves.best] == scores.confidence
    np.testing.assert_allclose(curves.precision[:, curves.best], [row.precision for row in scores.classes])
    np.testing.assert_allclose(curves.recall[:, curves.best], [row.recall for row in scores.classes])
    np.testing.assert_allclose(curves.over_recall.mean(axis=1), [row.map50 for row in scores.classes])
    assert (np.diff(curves.recall, axis=1) <= 0).all()
    assert (np.diff(curves.over_recall, axis=1) <= 0).all()
    assert (np.diff(curves.boxes, axis=1) <= 0).all()
    assert curves.f1.max() <= 1


def test_best_is_the_highest_of_equal_confidences() -> None:
    flat = np.full((1, 1001), 0.5)
    flat[0, 800:] = 0
    assert Curves(("a",), flat, flat, np.ones((1, 1001), np.int64), np.ones((1, 101)), (0,), (5,)).best == 799


@pytest.mark.parametrize(("count", "pages"), [(0, 0), (1, 1), (8, 1), (9, 2), (40, 2)])
def test_pages(tmp_path: Path, count: int, pages: int) -> None:
    samples = [
        Sample(write_picture(tmp_path / f"{index}.png", (60 + index, 40), index), None) for index in range(count)
    ]
    labels = [Labels(np.array([1], np.int32), np.array([[0.5, 0.5, 0.4, 0.4]]))] * count
    seen = [
        EvaluatedImage(index, 40, 60 + index, detections((0, 0, 30, 30, 0.9, 0), (5, 5, 9, 9, 0.1, 1)))
        for index in range(count)
    ]
    paths = draw_pages(samples, labels, seen, ("a", "b"), tmp_path)
    assert [path.name for path in paths] == [f"val_predictions_{number}.jpg" for number in range(1, pages + 1)]
    if count:
        height, width = read_picture(paths[0]).shape[:2]
        assert width == 10 + min(count, 2) * 2 * 410
        assert height > 160


def test_ignore_regions_are_striped(tmp_path: Path) -> None:
    samples = [Sample(write_picture(tmp_path / "a.png", (60, 40)), None)]
    seen = [EvaluatedImage(0, 40, 60, detections())]
    none = Labels(np.zeros(0, np.int32), np.zeros((0, 4)))
    region = replace(none, regions=np.array([[0.5, 0.5, 0.5, 0.5]]), region_classes=np.array([0], np.int32))
    pages = []
    for labels in (none, region):
        (path,) = draw_pages(samples, [labels], seen, ("a",), tmp_path)
        pages.append(read_picture(path).astype(int))
    changed = np.abs(pages[0] - pages[1]).max(axis=2) > 60
    left, right = np.hsplit(changed[:, 10:], 2)
    assert left.mean() > 0.02
    assert right.mean() > 0.02


def test_a_deleted_image_is_skipped(tmp_path: Path) -> None:
    samples = [Sample(tmp_path / "gone.png", None)]
    seen = [EvaluatedImage(0, 40, 60, detections())]
    assert draw_pages(samples, [Labels(np.zeros(0, np.int32), np.zeros((0, 4)))], seen, ("a",), tmp_path) == []


def test_everything(tmp_path: Path) -> None:
    sample = Sample(write_picture(tmp_path / "a.png", (200, 200)), None)
    label = Labels(np.array([2], np.int32), np.array([[0.5, 0.5, 0.4, 0.4]]))
    seen = [EvaluatedImage(0, 200, 200, detections((60, 60, 140, 140, 0.9, 2)))]
    paths = draw_evaluation(
        tmp_path,
        curves=scores_of().curves,
        samples=[sample],
        labels=[label],
        seen=seen,
        names=("a", "b", "c"),
        only=(2, 0),
    )
    assert len(paths) == 6
    assert all(path.is_file() for path in paths)
