"""Where detections contradict labels: each rule by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate.contradictions import Boxes, Contradiction, ContradictionKind, Record, contradictions

RECORD = Record({0: "person", 1: "dog"}, 0.3, {0: 0.9, 1: 0.4})
A, NEAR_A, HALF_A, B = (10, 10, 50, 50), (12, 10, 52, 50), (10, 10, 28, 50), (60, 60, 90, 90)
Row = tuple[float, ...]


def boxes(rows: list[Row]) -> Boxes:
    """Rows x1, y1, x2, y2, class and, of detections, score; best first."""
    table = sorted(rows, key=lambda row: -row[5]) if rows and len(rows[0]) == 6 else rows
    corners = np.array([row[:4] for row in table], np.float64).reshape(-1, 4)
    scores = np.array([row[5] if len(row) == 6 else 1 for row in table], np.float64)
    return Boxes(np.array([row[4] for row in table], np.int64), corners, scores)


def found(labels: list[Row], detections: list[Row], regions: list[Row] | None = None) -> list[Contradiction]:
    return contradictions(boxes(labels), boxes(regions or []), boxes(detections), RECORD)


@pytest.mark.parametrize(
    ("labels", "detections", "expected"),
    [
        ([(*A, 0)], [(*NEAR_A, 0, 0.9)], []),  # right
        ([], [], []),
        ([], [(*A, 0, 0.9)], [(ContradictionKind.no_label, 0.9)]),
        ([], [(*A, 0, 0.49)], []),  # not confident
        ([(*A, 0)], [(*NEAR_A, 0, 0.9), (*B, 1, 0.8)], [(ContradictionKind.no_label, 0.8)]),
        ([], [(*A, 0, 0.9), (*NEAR_A, 1, 0.8)], [(ContradictionKind.no_label, 0.9)]),  # one object, with two classes
        ([(*A, 0)], [(*NEAR_A, 0, 0.9), (*A, 0, 0.8)], []),  # a second box on a matched label
        ([(*A, 0)], [(*NEAR_A, 0, 0.9), (*A, 0, 0.2)], []),  # nor a doubtful one
        ([(*A, 0)], [], [(ContradictionKind.not_found, 0.81)]),
        ([(*A, 0)], [(*A, 0, 0.2)], [(ContradictionKind.not_found, 0.81 * 0.8)]),
        ([(*A, 0)], [(*A, 0, 0.3)], []),  # found at the confidence of the best F1
        ([(*A, 1)], [], []),  # the model finds too few dogs for a judgement: 0.16
        ([(*A, 1)], [(*A, 0, 0.9)], [(ContradictionKind.other_class, 0.9)]),
        ([(*A, 0)], [(*A, 1, 0.9)], [(ContradictionKind.other_class, 0.9)]),  # and not "not found" as well
        ([(*A, 0)], [(*A, 1, 0.9), (*A, 0, 0.1)], [(ContradictionKind.other_class, 0.8)]),
        ([(*A, 0)], [(*A, 1, 0.9), (*A, 0, 0.7)], []),  # a difference of 0.2
        ([(*A, 0)], [(*A, 0, 0.9), (*A, 1, 0.8)], []),  # the class of the label is surer
        (
            [(*A, 0)],
            [(*HALF_A, 0, 0.9)],
            [(ContradictionKind.no_label, 0.9), (ContradictionKind.not_found, 0.81)],
        ),  # a loose box
        ([(*A, 0), (*NEAR_A, 0)], [(*A, 0, 0.9)], [(ContradictionKind.not_found, 0.81)]),  # one detection, one label
    ],
)
def test_rules(labels: list[Row], detections: list[Row], expected: list[tuple[ContradictionKind, float]]) -> None:
    items = found(labels, detections)
    assert [item.kind for item in items] == [kind for kind, _ in expected]
    assert [item.weight for item in items] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize(
    ("region", "ignored"),
    [((*B, 0), True), ((*B, 1), False), ((60, 60, 75, 90, 0), True), ((60, 60, 74, 90, 0), False)],
)
def test_a_detection_in_an_ignore_region_contradicts_nothing(region: Row, ignored: bool) -> None:
    assert bool(found([], [(*B, 0, 0.9)], [region])) is not ignored


def test_reasons_and_indices() -> None:
    nearest = "the nearest label, 'person', overlaps it by IoU 0.45"
    items = found([(*A, 0), (*B, 1)], [(*HALF_A, 0, 0.95), (*B, 0, 0.9)])
    assert [(item.reason, item.label, item.detection) for item in items] == [
        (f"no label: the model detects 'person' with confidence 0.95; {nearest}", None, 0),
        ("label 'dog': the model detects 'person' with confidence 0.90", 1, 1),
        ("label 'person' is not found: no detection matches it", 0, None),
    ]
    (item,) = found([(*A, 0)], [(*A, 1, 0.9), (*A, 0, 0.35)])
    assert item.reason == "label 'person': the model detects 'dog' with confidence 0.90, and 'person' with 0.35"


def test_boxes_of_coco_entries_are_sorted_by_score() -> None:
    rows = [{"image_id": 1, "category_id": number, "bbox": [1.0, 2.0, 3.0, 4.0]} for number in (5, 6)]
    made = Boxes.of(rows, [0.2, 0.7])  # type: ignore[arg-type]
    assert made.classes.tolist() == [6, 5]
    assert made.corners.tolist() == [[1, 2, 4, 6]] * 2
    assert made.scores.tolist() == [0.7, 0.2]
