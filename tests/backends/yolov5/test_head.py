from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends.yolov5.facts import check_head
from backends.yolov5.head import head
from core.detections import Filter
from core.errors import HooklineError
from core.model_facts import InputContract, ModelFacts

ANCHORS = ((10.0, 13.0, 16.0, 30.0), (30.0, 61.0, 62.0, 45.0), (116.0, 90.0, 156.0, 198.0))
FACTS = ModelFacts("yolov5", "tiny", ("a", "b", "c"), (8, 16, 32), {"anchors": [list(level) for level in ANCHORS]})
SIZES = ((8, 12), (4, 6), (2, 3))


def make_heads(seed: int = 0, batch: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"p{3 + i}": rng.random((batch, 2 * 8, *size), np.float32) for i, size in enumerate(SIZES)}


def plain_rows(heads: dict[str, Any], index: int) -> np.ndarray:
    """cx, cy, w, h, objectness, classes of every cell, by the formula, cell by cell."""
    rows = []
    for level, (height, width) in enumerate(SIZES):
        grid = heads[f"p{3 + level}"][index].astype(np.float64)
        for anchor in range(2):
            for y in range(height):
                for x in range(width):
                    cell = grid[anchor * 8 : anchor * 8 + 8, y, x]
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
    expected, found = (head(FACTS, "heads").candidates(item, 1, wanted) for item in (heads, nhwc))
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.classes, expected.classes)


@pytest.mark.parametrize("conf", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("layout", ["heads", "classic"])
def test_best_class_a_box(layout: str, conf: float) -> None:
    heads = make_heads()
    rows = plain_rows(heads, 1)
    outputs = heads if layout == "heads" else {"output0": np.stack([rows * 0, rows]).astype(np.float32)}
    found = head(FACTS, layout).candidates(outputs, 1, Filter(conf=conf))
    expected = [row for row in rows if row[4] >= conf and row[4] * row[5:].max() >= conf]
    np.testing.assert_allclose(found.boxes, np.reshape([corners(row) for row in expected], (-1, 4)), atol=1e-3)
    np.testing.assert_allclose(found.scores, [row[4] * row[5:].max() for row in expected], atol=1e-6)
    assert found.classes.tolist() == [row[5:].argmax() for row in expected]


@pytest.mark.parametrize("layout", ["heads", "classic"])
def test_all_classes_of_a_box(layout: str) -> None:
    heads = make_heads(1, batch=1)
    rows = plain_rows(heads, 0)
    outputs = heads if layout == "heads" else {"output0": rows[None].astype(np.float32)}
    found = head(FACTS, layout).candidates(outputs, 0, Filter(conf=0.4, multi_label=True))
    expected = [(row[4] * row[5 + k], k) for row in rows for k in range(3) if row[4] * row[5 + k] >= 0.4]
    np.testing.assert_allclose(found.scores, [score for score, _ in expected], atol=1e-6)
    assert found.classes.tolist() == [label for _, label in expected]


def test_half_precision_outputs_are_widened() -> None:
    heads = {name: value.astype(np.float16) for name, value in make_heads().items()}
    found = head(FACTS, "heads").candidates(heads, 0, Filter(conf=0.5))
    assert found.boxes.dtype == found.scores.dtype == np.float32


@pytest.mark.parametrize("layout", ["heads", "classic"])
def test_the_score_threshold_compares_objectness(layout: str) -> None:
    """As the graft does, whatever ``conf`` is: a box that reaches it keeps all of its classes."""
    heads = make_heads(2, batch=1)
    rows = plain_rows(heads, 0)
    outputs = heads if layout == "heads" else {"output0": rows[None].astype(np.float32)}
    threshold = float(np.sort(rows[:, 4].astype(np.float32))[-5])
    wanted = Filter(conf=0.001, multi_label=True, score_threshold=threshold)
    kept = rows[rows[:, 4] >= threshold - 1e-9]
    found = head(FACTS, layout).candidates(outputs, 0, wanted)
    assert len(kept) == 5
    assert len(found.scores) == (kept[:, 4:5] * kept[:, 5:] >= 0.001).sum()


def test_shapes() -> None:
    fixed, open_ = InputContract(2, 64, 96), InputContract(1, 64, 96, ("batch", "height", "width"))
    assert head(FACTS, "heads").outputs(fixed) == {"p3": (2, 16, 8, 12), "p4": (2, 16, 4, 6), "p5": (2, 16, 2, 3)}
    assert head(FACTS, "heads").outputs(open_)["p4"] == ("batch", 16, "height_p4", "width_p4")
    assert head(FACTS, "classic").outputs(fixed) == {"output0": (2, 2 * (96 + 24 + 6), 8)}
    assert head(FACTS, "classic").outputs(open_) == {"output0": ("batch", "boxes", 8)}
    foreign = replace(FACTS, head={})
    assert head(foreign, "classic").outputs(fixed) == {"output0": (2, "boxes", 8)}


def test_heads_need_anchors() -> None:
    facts = replace(FACTS, head={})
    assert list(check_head(facts)) == []
    with pytest.raises(HooklineError, match="the model 'tiny' has no anchors for the layout 'heads'"):
        head(facts, "heads")


def test_what_the_kernel_gets() -> None:
    decode = head(FACTS, "heads").device_decode
    assert decode is not None
    assert (decode.name, decode.inputs) == ("YoloLayer_TRT", ("p3", "p4", "p5"))
    assert dict(decode.attributes) == {
        "max_stride": 32,
        "num_classes": 3,
        "anchors": tuple(side for level in ANCHORS for side in level),
    }
    assert head(FACTS, "classic").device_decode is None


@pytest.mark.parametrize(
    "anchors",
    [
        5,
        {"p3": [1]},
        ["a", "b", "c"],
        [[10.0, 13.0]],
        [[10.0, 13.0], [10.0], [1.0, 1.0]],
        [[10.0]] * 3,
        [[]] * 3,
        [[1.0] * 66] * 3,
        [[10.0, -13.0]] * 3,
        [[10.0, math.nan]] * 3,
        [[10.0, math.inf]] * 3,
        [[10.0, True]] * 3,
        [[10.0, "13"]] * 3,
        [[10.0, 10**400]] * 3,
        [[10.0, 65537.0]] * 3,
    ],
)
def test_anchors_that_no_model_has(anchors: object) -> None:
    (problem,) = check_head(replace(FACTS, head={"anchors": anchors}))
    assert re.match(r"the model 'tiny' has unusable facts \(head\.anchors: expected ", problem.message)


def test_facts_that_the_family_does_not_know() -> None:
    (problem,) = check_head(replace(FACTS, head={"masks": 32}))
    assert "(head.masks: expected only anchors, got 32)" in problem.message
