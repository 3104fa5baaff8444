from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.evaluation.confusion import confusion_matrix
from core.evaluation.loop import EvaluatedImage
from core.label_classes import ALL_CLASSES
from core.labels import Labels
from tests.support.fake_parts import detections

SIZE = 100
A, B, C = (10, 10, 50, 50), (12, 10, 52, 50), (60, 60, 90, 90)


def labels_of(*rows: tuple[float, ...]) -> Labels:
    """Rows of x1, y1, x2, y2, class in pixels."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    low, high = table[:, :2] / SIZE, table[:, 2:4] / SIZE
    return Labels(table[:, 4].astype(np.int32), np.concatenate([(low + high) / 2, high - low], axis=1))


def matrix_of(objects: list[tuple[float, ...]], found: list[tuple[float, ...]], **options: object) -> list[list[int]]:
    seen = [EvaluatedImage(0, SIZE, SIZE, detections(*found))]
    return confusion_matrix([labels_of(*objects)], seen, 2, **options).tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objects", "found", "expected"),
    [
        ([(*A, 0)], [(*A, 0.9, 0)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
        ([(*A, 0)], [(*A, 0.9, 1)], [[0, 0, 0], [1, 0, 0], [0, 0, 0]]),  # taken for another
        ([(*A, 0)], [], [[0, 0, 0], [0, 0, 0], [1, 0, 0]]),  # missed
        ([], [(*A, 0.9, 1)], [[0, 0, 0], [0, 0, 1], [0, 0, 0]]),  # nothing there
        ([(*A, 0)], [(*A, 0.24, 0)], [[0, 0, 0], [0, 0, 0], [1, 0, 0]]),  # below the confidence
        ([(*A, 0)], [(*C, 0.9, 0)], [[0, 0, 1], [0, 0, 0], [1, 0, 0]]),  # elsewhere
        ([(*A, 0)], [(*B, 0.9, 1), (*A, 0.5, 0)], [[1, 0, 0], [0, 0, 1], [0, 0, 0]]),  # the nearer one matches
        ([(*A, 0)], [(*A, 0.9, 1), (*A, 0.5, 0)], [[0, 0, 1], [1, 0, 0], [0, 0, 0]]),  # of equal ones the surer
        ([(*A, 0), (*B, 1)], [(*A, 0.9, 0)], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]),  # one box is one object
        ([], [], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_one_image(objects: list[tuple[float, ...]], found: list[tuple[float, ...]], expected: list[list[int]]) -> None:
    assert matrix_of(objects, found) == expected


@pytest.mark.parametrize(
    ("objects", "region", "expected"),
    [
        ([], (*C, ALL_CLASSES), [0, 0]),
        ([], (*C, 0), [0, 0]),
        ([], (*C, 1), [1, 0]),  # a region of the other class
        ([], (60, 60, 75, 90, 0), [0, 0]),  # half of the box is inside
        ([], (60, 60, 72, 90, 0), [1, 0]),  # 40 % of it
        ([(*C, 0)], (*C, ALL_CLASSES), [0, 1]),  # an object in the region is matched all the same
    ],
)
def test_a_box_in_an_ignore_region_is_not_false(
    objects: list[tuple[float, ...]], region: tuple[float, ...], expected: list[int]
) -> None:
    ignored = labels_of(region)
    labels = replace(labels_of(*objects), regions=ignored.boxes, region_classes=ignored.classes)
    seen = [EvaluatedImage(0, SIZE, SIZE, detections((*C, 0.9, 0)))]
    matrix = confusion_matrix([labels], seen, 2)
    assert [matrix[0, 2], matrix[0, 0]] == expected
    assert matrix.sum() == sum(expected)


def test_only_some_classes() -> None:
    assert matrix_of([(*A, 0), (*C, 1)], [(*A, 0.9, 1), (*C, 0.9, 1)], only=(1,)) == [[0, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_sums_are_the_objects_and_the_boxes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, seen = [], []
    for index in range(20):
        corner = rng.uniform(0, 60, (rng.integers(0, 6), 2))
        boxes = np.concatenate([corner, corner + rng.uniform(10, 40, corner.shape)], axis=1)
        labels.append(labels_of(*((*box, rng.integers(2)) for box in boxes)))
        rows = [(*(box + rng.normal(0, 4, 4)), rng.random(), rng.integers(2)) for box in boxes]
        seen.append(EvaluatedImage(index, SIZE, SIZE, detections(*sorted(rows, key=lambda row: -row[4]))))
    matrix = confusion_matrix(labels, seen, 2)
    true = np.bincount(np.concatenate([item.classes for item in labels]), minlength=2)
    kept = np.concatenate([item.found.classes[item.found.scores >= 0.25] for item in seen])
    assert matrix[:, :2].sum(axis=0).tolist() == true.tolist()
    assert matrix[:2].sum(axis=1).tolist() == np.bincount(kept, minlength=2).tolist()
    assert matrix[2, 2] == 0
    assert np.trace(matrix) > 0
