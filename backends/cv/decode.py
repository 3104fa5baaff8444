"""Raw outputs to candidate boxes (docs/contracts.md, Network output and Decode)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Layout, ModelFacts
from core.detections import Filter

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """Boxes of one picture before the NMS, in no order that matters.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the network input, not clipped.
        scores: float32 [n].
        classes: int32 [n].
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int32]

    def pick(self, chosen: NDArray[Any]) -> Candidates:
        """Those of an index array or mask."""
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


def candidates(
    outputs: Mapping[str, NDArray[Any]], index: int, layout: Layout, facts: ModelFacts, wanted: Filter
) -> Candidates:
    """Boxes of picture ``index`` of the batch whose score, objectness * class, reaches ``wanted.conf``.

    Objectness alone is compared first: a class score is at most 1, so nothing is lost.
    """
    if layout is Layout.decoded:
        found = _decoded(outputs, index, wanted.conf)
    elif layout is Layout.classic:
        (output,) = outputs.values()
        found = _labelled(_centred(output[index], wanted.conf), wanted)
    else:
        found = _labelled(_from_heads(outputs, index, facts, wanted.conf), wanted)
    return found.pick(np.isin(found.classes, wanted.classes)) if wanted.classes else found


def _decoded(outputs: Mapping[str, NDArray[Any]], index: int, conf: float) -> Candidates:
    """Rows with a score above zero are valid, wherever they stand."""
    scores = outputs["DecodeDetectionScores"][index]
    valid = np.flatnonzero((scores > 0) & (scores >= conf))
    boxes = outputs["DecodeDetectionBoxes"][index][valid]
    classes = outputs["DecodeDetectionClasses"][index][valid]
    return Candidates(_floats(boxes), _floats(scores[valid]), classes.astype(np.int32))


def _centred(rows: NDArray[Any], conf: float) -> Floats:
    """Rows cx, cy, w, h, objectness, classes in pixels, of those that can reach ``conf``."""
    return _floats(rows[rows[:, 4] >= conf])


def _from_heads(outputs: Mapping[str, NDArray[Any]], index: int, facts: ModelFacts, conf: float) -> Floats:
    """The same rows from sigmoid heads, level after level, anchor, y, x.

    x = (2*sx - 0.5 + gx) * stride, w = (2*sw)^2 * anchor_w; y and h alike.
    """
    levels = [outputs[f"p{3 + level}"][index] for level in range(len(facts.anchors))]
    last_height, last_width = levels[-1].shape[1:]
    found = []
    for head, anchors in zip(levels, facts.anchors, strict=True):
        height, width = head.shape[1:]
        stride = (last_width * facts.max_stride / width, last_height * facts.max_stride / height)
        found.append(_level(head, np.asarray(anchors, np.float32).reshape(-1, 2), stride, conf))
    return np.concatenate(found)


def _level(head: NDArray[Any], anchors: Floats, stride: tuple[float, float], conf: float) -> Floats:
    channels, height, width = head.shape
    planes = head.reshape(len(anchors), channels // len(anchors), height, width)  # a view in NCHW and in NHWC order
    anchor, y, x = np.nonzero(planes[:, 4] >= conf)
    rows = _floats(planes[anchor, :, y, x])
    grid = np.stack([x, y], axis=1).astype(np.float32)
    rows[:, 0:2] = (rows[:, 0:2] * 2 - np.float32(0.5) + grid) * np.asarray(stride, np.float32)
    rows[:, 2:4] = (rows[:, 2:4] * 2) ** 2 * anchors[anchor]
    return rows


def _labelled(rows: Floats, wanted: Filter) -> Candidates:
    """Every class that reaches the threshold, or the first best one of each row."""
    if wanted.multi_label:
        scores = rows[:, 5:] * rows[:, 4:5]
        row, label = np.nonzero(scores >= wanted.conf)
        return Candidates(_corners(rows)[row], scores[row, label], label.astype(np.int32))
    label = rows[:, 5:].argmax(axis=1)
    best = rows[np.arange(len(rows)), 5 + label] * rows[:, 4]
    return Candidates(_corners(rows), best, label.astype(np.int32)).pick(best >= wanted.conf)


def _corners(rows: Floats) -> Floats:
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)


def _floats(values: NDArray[Any]) -> Floats:
    return values.astype(np.float32, copy=False)
