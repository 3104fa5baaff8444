"""The twin of YoloLayer_TRT against the contract restated cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import HooklineError
from cuda_plugins.signature import BOXES, CLASSES, NUM, OUTPUTS, SCORES
from cuda_plugins.yolo_layer import yolo_layer

ANCHORS = [float(value) for value in range(3, 27)]


def random_heads(levels, classes, batch, height=2, width=3):
    rng = np.random.default_rng(7)
    sizes = [(height << level, width << level) for level in reversed(range(levels))]
    return [rng.random((batch, 3 * (5 + classes), *size), dtype=np.float32) for size in sizes]


def restated(heads, max_stride, classes, anchors, threshold):
    """docs/contracts.md, Decode, as simple loops over the cells of one image; rows of (box, score, class)."""
    images = []
    for image in range(len(heads[0])):
        rows = []
        for level, head in enumerate(heads):
            _, _, height, width = head.shape
            stride_x = heads[-1].shape[3] * max_stride / width
            stride_y = heads[-1].shape[2] * max_stride / height
            for a in range(3):
                aw, ah = anchors[level * 6 + a * 2 : level * 6 + a * 2 + 2]
                for gy in range(height):
                    for gx in range(width):
                        value = [float(head[image, a * (5 + classes) + k, gy, gx]) for k in range(5 + classes)]
                        if value[4] < threshold:
                            continue
                        x, y = (2 * value[0] - 0.5 + gx) * stride_x, (2 * value[1] - 0.5 + gy) * stride_y
                        w, h = (2 * value[2]) ** 2 * aw, (2 * value[3]) ** 2 * ah
                        best = max(value[5:])
                        box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                        rows.append((box, value[4] * best, value[5:].index(best)))
        images.append(rows)
    return images


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.7])
def test_twin_is_the_contract(levels, classes, threshold):
    heads = random_heads(levels, classes, batch=2)
    anchors = ANCHORS[: 6 * levels]
    outputs = yolo_layer(heads, max_stride=32, num_classes=classes, anchors=anchors, threshold=threshold)
    assert tuple(outputs) == OUTPUTS
    for image, rows in enumerate(restated(heads, 32, classes, anchors, threshold)):
        count = len(rows)
        assert outputs[NUM][image, 0] == count
        np.testing.assert_allclose(outputs[BOXES][image, :count], [row[0] for row in rows], atol=1e-4)
        np.testing.assert_allclose(outputs[SCORES][image, :count], [row[1] for row in rows], atol=1e-7)
        assert outputs[CLASSES][image, :count].tolist() == [row[2] for row in rows]
        assert not any(outputs[name][image, count:].any() for name in (BOXES, SCORES, CLASSES))


def test_shapes_and_types():
    outputs = yolo_layer(random_heads(3, 2, batch=3), max_stride=32, num_classes=2, anchors=ANCHORS[:18], threshold=0.5)
    rows = 3 * (2 * 3 + 4 * 6 + 8 * 12)
    assert {name: (value.shape, str(value.dtype)) for name, value in outputs.items()} == {
        NUM: ((3, 1), "int32"),
        BOXES: ((3, rows, 4), "float32"),
        SCORES: ((3, rows), "float32"),
        CLASSES: ((3, rows), "int32"),
    }


def test_nothing_reaches_the_threshold():
    heads = [np.zeros_like(head) for head in random_heads(3, 2, batch=1)]
    outputs = yolo_layer(heads, max_stride=32, num_classes=2, anchors=ANCHORS[:18], threshold=0.25)
    assert not any(value.any() for value in outputs.values())


def test_first_of_equal_classes_wins():
    heads = [np.full_like(head, 0.5) for head in random_heads(3, 4, batch=1)]
    outputs = yolo_layer(heads, max_stride=32, num_classes=4, anchors=ANCHORS[:18], threshold=0.5)
    assert outputs[NUM][0, 0] == outputs[SCORES].shape[1]
    assert not outputs[CLASSES].any()


def test_threshold_is_kept_at_equality():
    heads = random_heads(3, 1, batch=1)
    exact = float(heads[0][0, 4, 0, 0])
    kept = yolo_layer(heads, max_stride=32, num_classes=1, anchors=ANCHORS[:18], threshold=exact)
    above = yolo_layer(heads, max_stride=32, num_classes=1, anchors=ANCHORS[:18], threshold=exact + 1e-6)
    assert kept[NUM][0, 0] == above[NUM][0, 0] + 1


def test_channels_must_fit():
    with pytest.raises(HooklineError, match=r"21 channels instead of 24"):
        yolo_layer(random_heads(3, 2, batch=1), max_stride=32, num_classes=3, anchors=ANCHORS[:18], threshold=0.5)
