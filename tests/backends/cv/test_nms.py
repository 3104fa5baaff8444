from __future__ import annotations

import numpy as np
import pytest

from backends.cv.processor import suppress
from core.detections import Candidates, Filter


def plain(found: Candidates, wanted: Filter) -> list[int]:
    """The greedy loop over all pairs, in float32 as in docs/contracts.md."""
    kept: list[int] = []
    order = sorted(range(len(found.scores)), key=lambda index: (-found.scores[index], index))
    for index in order[: wanted.max_candidates]:
        rivals = [other for other in kept if found.classes[other] == found.classes[index]]
        if not any(overlaps(found.boxes[other], found.boxes[index], wanted.iou) for other in rivals):
            kept.append(index)
    return kept[: wanted.max_det]


def overlaps(one: np.ndarray, other: np.ndarray, iou: float) -> bool:
    zero = np.float32(0)
    width = max(zero, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(zero, min(one[3], other[3]) - max(one[1], other[1]))
    shared = width * height
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return bool(shared > np.float32(iou) * (areas - shared))


def random_candidates(count: int, classes: int, seed: int, levels: int = 0) -> Candidates:
    """Return crowded boxes with only ``levels`` different scores, so that many are equal."""
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0, 100, (count, 2)), rng.uniform(5, 60, (count, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    scores = rng.random(count) if not levels else rng.integers(1, levels + 1, count) / levels
    return Candidates(boxes, scores.astype(np.float32), rng.integers(0, classes, count).astype(np.int32))


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.45, 0.6, 1.0])
@pytest.mark.parametrize(("count", "classes", "levels"), [(0, 1, 0), (1, 1, 0), (600, 1, 0), (600, 5, 0), (600, 3, 4)])
def test_is_the_plain_greedy_loop(count: int, classes: int, levels: int, iou: float) -> None:
    found = random_candidates(count, classes, seed=count + classes, levels=levels)
    wanted = Filter(iou=iou, max_det=200)
    expected = plain(found, wanted)
    result = suppress(found, wanted)
    np.testing.assert_array_equal(result.boxes, found.boxes[expected])
    np.testing.assert_array_equal(result.scores, found.scores[expected])
    np.testing.assert_array_equal(result.classes, found.classes[expected])


def test_equal_scores_are_taken_by_index() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]], np.float32)
    found = Candidates(boxes, np.full(3, 0.5, np.float32), np.zeros(3, np.int32))
    np.testing.assert_array_equal(suppress(found, Filter()).boxes, boxes[:1])


def test_an_overlap_of_exactly_the_threshold_stays() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    found = Candidates(boxes, np.asarray([0.9, 0.8], np.float32), np.zeros(2, np.int32))
    assert len(suppress(found, Filter(iou=0.5)).scores) == 2
    assert len(suppress(found, Filter(iou=0.49)).scores) == 1


def test_classes_do_not_suppress_each_other() -> None:
    boxes = np.asarray([[0, 0, 10, 10]] * 2, np.float32)
    found = Candidates(boxes, np.asarray([0.8, 0.9], np.float32), np.asarray([0, 1], np.int32))
    assert suppress(found, Filter()).classes.tolist() == [1, 0]


def test_at_most_so_many_candidates_enter() -> None:
    found = random_candidates(500, 2, seed=3)
    wanted = Filter(iou=0.9, max_candidates=100)
    np.testing.assert_array_equal(suppress(found, wanted).scores, found.scores[plain(found, wanted)])


def test_boxes_without_area_are_kept_apart() -> None:
    boxes = np.asarray([[5, 5, 5, 5], [50, 50, 50, 50]], np.float32)
    found = Candidates(boxes, np.asarray([0.9, 0.8], np.float32), np.zeros(2, np.int32))
    assert len(suppress(found, Filter()).scores) == 2
