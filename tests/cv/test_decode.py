from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backends.cv.decode import candidates
from core.artifacts import Layout, ModelFacts
from core.detections import Filter

ANCHORS = ((10.0, 13.0, 16.0, 30.0), (30.0, 61.0, 62.0, 45.0), (116.0, 90.0, 156.0, 198.0))
FACTS = ModelFacts("yolov5", "tiny", ("a", "b", "c"), ANCHORS, (8, 16, 32))
SIZES = ((8, 12), (4, 6), (2, 3))


def make_heads(seed: int = 0, batch: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"p{3 + i}": rng.random((batch, 2 * 8, *size), np.float32) for i, size in enumerate(SIZES)}


def plain_rows(heads: dict[str, Any], index: int) -> np.ndarray:
    """cx, cy, w, h, objectness, classes of every cell, by the formula, cell by cell."""
    rows = []
    for level, (height, width) in enumerate(SIZES):
        head = heads[f"p{3 + level}"][index].astype(np.float64)
        for anchor in range(2):
            for y in range(height):
                for x in range(width):
                    cell = head[anchor * 8 : anchor * 8 + 8, y, x]
                    stride = FACTS.strides[level]
                    box = [
                        (2 * cell[0] - 0.5 + x) * stride,
                        (2 * cell[1] - 0.5 + y) * stride,
                        (2 * cell[2]) ** 2 * ANCHORS[level][2 * anchor],
                        (2 * cell[3]) ** 2 * ANCHORS[level][2 * anchor + 1],
                    ]
                    rows.append([*box, *cell[4:]])
    return np.asarray(rows)


def corners(row: np.ndarray) -> list[float]:
    return [row[0] - row[2] / 2, row[1] - row[3] / 2, row[0] + row[2] / 2, row[1] + row[3] / 2]


def test_the_order_of_memory_does_not_matter() -> None:
    heads = make_heads()
    nhwc = {
        name: np.ascontiguousarray(head.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for name, head in heads.items()
    }
    wanted = Filter(conf=0.3, multi_label=True)
    expected, found = (candidates(item, 1, Layout.heads, FACTS, wanted) for item in (heads, nhwc))
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.classes, expected.classes)


@pytest.mark.parametrize("conf", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("layout", [Layout.heads, Layout.classic])
def test_best_class_a_box(layout: Layout, conf: float) -> None:
    heads = make_heads()
    rows = plain_rows(heads, 1)
    outputs = heads if layout is Layout.heads else {"output0": np.stack([rows * 0, rows]).astype(np.float32)}
    found = candidates(outputs, 1, layout, FACTS, Filter(conf=conf))
    expected = [row for row in rows if row[4] >= conf and row[4] * row[5:].max() >= conf]
    np.testing.assert_allclose(found.boxes, np.reshape([corners(row) for row in expected], (-1, 4)), atol=1e-3)
    np.testing.assert_allclose(found.scores, [row[4] * row[5:].max() for row in expected], atol=1e-6)
    assert found.classes.tolist() == [row[5:].argmax() for row in expected]


@pytest.mark.parametrize("layout", [Layout.heads, Layout.classic])
def test_all_classes_of_a_box(layout: Layout) -> None:
    heads = make_heads(1, batch=1)
    rows = plain_rows(heads, 0)
    outputs = heads if layout is Layout.heads else {"output0": rows[None].astype(np.float32)}
    found = candidates(outputs, 0, layout, FACTS, Filter(conf=0.4, multi_label=True))
    expected = [(row[4] * row[5 + k], k) for row in rows for k in range(3) if row[4] * row[5 + k] >= 0.4]
    np.testing.assert_allclose(found.scores, [score for score, _ in expected], atol=1e-6)
    assert found.classes.tolist() == [label for _, label in expected]


def test_wanted_classes_only() -> None:
    found = candidates(make_heads(), 0, Layout.heads, FACTS, Filter(conf=0.1, classes=(0, 2), multi_label=True))
    assert set(found.classes.tolist()) == {0, 2}


def test_decoded_rows_are_valid_wherever_they_stand() -> None:
    outputs = {
        "DecodeNumDetection": np.asarray([[2]], np.int32),
        "DecodeDetectionBoxes": np.arange(20, dtype=np.float32).reshape(1, 5, 4),
        "DecodeDetectionScores": np.asarray([[0, 0.5, 0, 0.9, 0.2]], np.float32),
        "DecodeDetectionClasses": np.asarray([[0, 2, 0, 1, 0]], np.int32),
    }
    found = candidates(outputs, 0, Layout.decoded, FACTS, Filter(conf=0.25))
    assert found.boxes.tolist() == [[4, 5, 6, 7], [12, 13, 14, 15]]
    assert found.classes.tolist() == [2, 1]
    assert len(candidates(outputs, 0, Layout.decoded, FACTS, Filter(conf=0.0)).scores) == 3


def test_half_precision_outputs_are_widened() -> None:
    heads = {name: value.astype(np.float16) for name, value in make_heads().items()}
    found = candidates(heads, 0, Layout.heads, FACTS, Filter(conf=0.5))
    assert found.boxes.dtype == found.scores.dtype == np.float32
