from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from core.data.dataset import Sample
from core.evaluation.coco import ground_truth, results
from core.evaluation.loop import EvaluatedImage
from core.evaluation.scores import STATS, class_table, score
from core.label_classes import ALL_CLASSES
from core.labels import Labels, image_ids
from tests.support.fake_parts import detections

SIZE = 200


def make_case(
    objects: list[list[tuple[float, ...]]],
    found: list[list[tuple[float, ...]]],
    classes: int = 2,
    regions: list[list[tuple[float, ...]]] | None = None,
) -> Any:
    """COCO JSON of rows per image: objects, regions x1, y1, x2, y2, class and boxes x1, y1, x2, y2, score, class."""
    samples = [Sample(Path(f"{index}.png"), None) for index in range(len(objects))]
    ignored = regions or [[] for _ in objects]
    labels = [Labels(*columns(rows), *reversed(columns(left))) for rows, left in zip(objects, ignored, strict=True)]
    seen = [EvaluatedImage(index, SIZE, SIZE, detections(*rows)) for index, rows in enumerate(found)]
    truth = ground_truth(samples, labels, seen, [f"class {index}" for index in range(classes)])
    return truth, results(samples, seen)


def columns(rows: list[tuple[float, ...]]) -> tuple[Any, Any]:
    """Classes and normalised boxes of rows x1, y1, x2, y2, class."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    corners = table[:, :4] / SIZE
    boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
    return table[:, 4].astype(np.int32), boxes


def random_case(seed: int, pictures: int = 12, classes: int = 3) -> tuple[Any, Any, list[Any], list[Any]]:
    """Objects, and boxes near them of wavering quality with some false ones; the last class has no objects."""
    rng = np.random.default_rng(seed)
    objects, found = [], []
    for _ in range(pictures):
        corner = rng.uniform(0, 150, (rng.integers(0, 7), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(5, 50, corner.shape)], axis=1)
        kinds = rng.integers(0, classes - 1, len(boxes))
        objects.append([(*box, kind) for box, kind in zip(boxes, kinds, strict=True)])
        near = np.repeat(boxes, 2, axis=0) + rng.normal(0, 4, (2 * len(boxes), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        kinds = np.where(rng.random(len(near)) < 0.8, np.repeat(kinds, 2), rng.integers(0, classes, len(near)))
        rows = [(*box, rng.random(), kind) for box, kind in zip(near, kinds, strict=True)]
        found.append(sorted(rows, key=lambda row: -row[4]))
    return *make_case(objects, found, classes), objects, found


def test_perfect_boxes_score_one() -> None:
    objects = [[(10, 10, 60, 60, 0), (100, 100, 190, 150, 1)], [], [(0, 0, 20, 20, 0)]]
    found = [[(*row[:4], 0.9 - 0.1 * number, row[4]) for number, row in enumerate(rows)] for rows in objects]
    scores = score(*make_case(objects, found))
    assert scores.stats["map50_95"] == scores.stats["map50"] == scores.stats["map75"] == pytest.approx(1)
    assert scores.stats["map_small"] == scores.stats["map_medium"] == pytest.approx(1)
    assert "map_large" not in scores.stats
    assert (scores.all.precision, scores.all.recall) == (1, 1)
    assert scores.confidence == 0.8
    assert (scores.all.images, scores.all.instances, scores.absent) == (3, 3, 0)
    assert [(row.name, row.images, row.instances) for row in scores.classes] == [("class 0", 2, 2), ("class 1", 1, 1)]


def test_average_precision_by_hand() -> None:
    """Right, wrong, right: precision 1 up to recall 0.5 (51 of 101 levels), then 2/3."""
    objects = [[(10, 10, 60, 60, 0)], [(100, 100, 150, 150, 0)]]
    found = [[(10, 10, 60, 60, 0.9, 0), (80, 80, 95, 95, 0.8, 0)], [(100, 100, 150, 150, 0.7, 0)]]
    scores = score(*make_case(objects, found))
    assert (scores.all.map50_95, scores.all.map50) == pytest.approx(((51 + 50 * 2 / 3) / 101,) * 2)
    assert scores.confidence == 0.7  # F1 is 0.8 with all three, 2/3 with the first alone
    assert (scores.all.precision, scores.all.recall) == (pytest.approx(2 / 3), 1)
    assert scores.absent == 1


def test_loose_box_counts_up_to_its_overlap() -> None:
    """A box of IoU 0.72 is correct at 0.5, 0.55 ... 0.7: 5 of 10 thresholds."""
    scores = score(*make_case([[(0, 0, 100, 100, 0)]], [[(0, 0, 100, 72, 0.9, 0)]]))
    assert scores.all.map50 == pytest.approx(1)
    assert scores.all.map50_95 == pytest.approx(0.5)
    assert scores.stats["map75"] == 0


def test_nothing_found() -> None:
    scores = score(*make_case([[(0, 0, 100, 100, 0)]], [[]]))
    assert (scores.all.map50, scores.all.precision, scores.all.recall) == (0, 0, 0)


def crowded_case(seed: int) -> Any:
    """A random case with ignore regions of one class, of both and of all; some boxes lie inside, some on the edge."""
    _, _, objects, found = random_case(seed)
    rng = np.random.default_rng(seed)
    regions: list[list[tuple[float, ...]]] = []
    for _ in objects:
        corner = rng.uniform(0, 120, (rng.integers(0, 4), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 80, corner.shape)], axis=1)
        regions.append([(*box, rng.choice([ALL_CLASSES, 0, 1])) for box in boxes])
    return *make_case(objects, found, 3, regions), objects, found, regions


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_pycocotools(seed: int, crowded: bool) -> None:
    truth, found, *_ = crowded_case(seed) if crowded else random_case(seed)
    scores = score(truth, found)
    assert bool(scores.regions) == crowded
    with redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes([dict(item) for item in found]), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert [scores.stats.get(name, -1.0) for name in STATS] == judge.stats.tolist()
    assert 0.1 < scores.all.map50_95 < 0.9
    assert np.mean([row.map50_95 for row in scores.classes]) == pytest.approx(scores.all.map50_95)
    assert np.mean([row.map50 for row in scores.classes]) == pytest.approx(scores.all.map50)


def iou(one: Any, two: Any) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return float(common / (sum(areas) - common))


def plain_precision_recall(objects: Any, found: Any, kind: int, confidence: float) -> tuple[float, float]:
    hits = boxes = count = 0
    for given, seen in zip(objects, found, strict=True):
        free = [row for row in given if row[4] == kind]
        count += len(free)
        for row in seen:
            if row[5] != kind or round(float(np.float32(row[4])), 6) < confidence:
                continue
            boxes += 1
            best = max(free, key=lambda item: iou(item, row), default=None)
            if best is not None and iou(best, row) >= 0.5:
                hits += 1
                free.remove(best)
    return hits / boxes if boxes else 0.0, hits / count


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_by_plain_loops(seed: int) -> None:
    truth, found, objects, rows = random_case(seed)
    scores = score(truth, found)
    best, at = -1.0, -1.0
    for step in range(1001):
        figures = [plain_precision_recall(objects, rows, kind, step / 1000) for kind in (0, 1)]
        mean = np.mean([2 * p * r / (p + r) if p + r else 0.0 for p, r in figures])
        if mean >= best - 1e-12:
            best, at = float(mean), step / 1000
    assert scores.confidence == at
    for kind, row in enumerate(scores.classes):
        assert (row.precision, row.recall) == pytest.approx(plain_precision_recall(objects, rows, kind, at))
    assert scores.absent == 1


@pytest.mark.parametrize("seed", range(3))
def test_precision_without_boxes_in_regions(seed: int) -> None:
    """P and R are those of the boxes that match an object or are not in a region, by plain loops."""
    truth, found, objects, rows, regions = crowded_case(seed)
    scores = score(truth, found)
    left, ignored = [], 0
    for given, seen, areas in zip(objects, rows, regions, strict=True):
        free = list(given)
        kept = []
        for row in seen:
            same = [item for item in free if item[4] == row[5]]
            best = max(same, key=lambda item: iou(item, row), default=None)
            matched = best is not None and iou(best, row) >= 0.5
            if matched:
                free.remove(best)
            inside = any(area[4] in {ALL_CLASSES, row[5]} and share(row, area) >= 0.5 for area in areas)
            if matched or not inside:
                kept.append(row)
            else:
                ignored += round(float(np.float32(row[4])), 6) >= scores.confidence
        left.append(kept)
    for kind, row in enumerate(scores.classes):
        expected = plain_precision_recall(objects, left, kind, scores.confidence)
        assert (row.precision, row.recall) == pytest.approx(expected)
    assert [row.instances for row in scores.classes] == [
        sum(item[4] == k for o in objects for item in o) for k in (0, 1)
    ]
    assert (scores.regions, scores.ignored) == (sum(map(len, regions)), ignored)
    assert sum(map(len, left)) < sum(map(len, rows))


def share(box: Any, region: Any) -> float:
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    return float(max(width, 0) * max(height, 0) / ((box[2] - box[0]) * (box[3] - box[1])))


def test_a_region_is_an_annotation_with_iscrowd_in_its_categories() -> None:
    regions: list[list[tuple[float, ...]]] = [[(0, 0, 100, 50, ALL_CLASSES), (0, 0, 20, 20, 1), (0, 0, 20, 20, 1)]]
    truth, _ = make_case([[(10, 10, 60, 60, 0)]], [[]], 2, regions)
    rows = [(item["category_id"], item["bbox"], item["area"], item["iscrowd"]) for item in truth["annotations"]]
    assert rows == [
        (0, [10, 10, 50, 50], 2500, 0),
        (0, [0, 0, 100, 50], 5000, 1),
        (1, [0, 0, 100, 50], 5000, 1),
        (1, [0, 0, 20, 20], 400, 1),
    ]
    assert [item["id"] for item in truth["annotations"]] == [1, 2, 3, 4]


def test_regions_are_in_the_table_once() -> None:
    found: list[list[tuple[float, ...]]] = [[(10, 10, 60, 60, 0.9, 0), (100, 100, 120, 120, 0.95, 0)]]
    regions: list[list[tuple[float, ...]]] = [[(90, 90, 150, 150, ALL_CLASSES)]]
    scores = score(*make_case([[(10, 10, 60, 60, 0)]], found, 2, regions))
    assert (scores.all.precision, scores.all.map50_95) == (1, pytest.approx(1))
    assert (scores.all.instances, scores.absent) == (1, 1)
    assert "1 ignore region, 1 box inside at this confidence: neither right nor wrong" in class_table(scores)
    assert "ignore" not in class_table(score(*make_case([[(10, 10, 60, 60, 0)]], found)))


def test_only_some_classes() -> None:
    truth, found, _, _ = random_case(0)
    whole, part = score(truth, found), score(truth, found, [1])
    assert [row.name for row in part.classes] == ["class 1"]
    assert part.all.map50_95 == pytest.approx(whole.classes[1].map50_95)


@pytest.mark.parametrize(
    ("stems", "ids"),
    [
        (["000000000139", "000000000285"], [139, 285]),
        (["12", "a"], [1, 2]),
        (["1", "01"], [1, 2]),
        (["b", "a"], [1, 2]),
    ],
)
def test_image_ids(stems: list[str], ids: list[int]) -> None:
    assert image_ids([Path(f"/x/{stem}.jpg") for stem in stems]) == ids
