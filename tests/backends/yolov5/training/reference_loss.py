"""A reference implementation of the loss of docs/contracts.md, in float64 and plain loops, with its gradient.

The gradients of objectness and classes are written by hand. That of the box term uses central differences with a
constant alpha, as in the formula of CIoU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.config import ModelConfig
from backends.yolov5.training.options import TrainingOptions

Array = NDArray[np.float64]
STEP = 1e-5


class Positive(NamedTuple):
    image: int
    category: int
    anchor: int
    row: int
    column: int
    box: tuple[float, float, float, float]
    size: tuple[float, float]


class Restated(NamedTuple):
    total: float
    parts: tuple[float, float, float]
    gradients: list[Array]


def positives(target: Sequence[float], shape: tuple[int, int], anchors: Array, anchor_t: float) -> Iterator[Positive]:
    """Those of one target on one level."""
    height, width = shape
    image, category = int(target[0]), int(target[1])
    x, y, w, h = target[2] * width, target[3] * height, target[4] * width, target[5] * height
    for index, (anchor_w, anchor_h) in enumerate(anchors.tolist()):
        if min(w, h) <= 0 or max(w / anchor_w, anchor_w / w, h / anchor_h, anchor_h / h) >= anchor_t:
            continue
        column, row = min(int(x), width - 1), min(int(y), height - 1)
        cells = [(column, row)]
        if x - column < 0.5 and x > 1:
            cells.append((column - 1, row))
        if y - row < 0.5 and y > 1:
            cells.append((column, row - 1))
        if x - column > 0.5 and x < width - 1:
            cells.append((column + 1, row))
        if y - row > 0.5 and y < height - 1:
            cells.append((column, row + 1))
        for gx, gy in cells:
            yield Positive(image, category, index, gy, gx, (x - gx, y - gy, w, h), (anchor_w, anchor_h))


def is_inside(regions: Sequence[Sequence[float]], image: int, x: float, y: float) -> bool:
    """Whether a point, in fractions, is inside a region of the image."""
    return any(image == number and abs(x - cx) <= w / 2 and abs(y - cy) <= h / 2 for number, cx, cy, w, h in regions)


def restated(
    logits: Sequence[Array],
    targets: Sequence[Sequence[float]],
    config: ModelConfig,
    gains: TrainingOptions,
    imgsz: int,
    *,
    regions: Sequence[Sequence[float]] = (),
) -> Restated:
    levels, count, classes = len(logits), len(config.anchors[0]) // 2, config.num_classes
    balance = [4, 1, 0.4] if levels == 3 else [4, 1, 0.25, 0.06]
    box_gain = gains.box * 3 / levels
    obj_gain = gains.obj * 3 / levels * (imgsz / 640) ** 2
    cls_gain = gains.cls * 3 / levels * classes / 80
    parts, gradients = [0.0, 0.0, 0.0], []
    for level, raw in enumerate(logits):
        batch, _, height, width = raw.shape
        cells = raw.reshape(batch, count, 5 + classes, height, width)
        gradient = np.zeros_like(cells)
        anchors = np.array(config.anchors[level], np.float64).reshape(count, 2) / (8 * 2**level)
        found = [p for t in targets for p in positives(t, (height, width), anchors, gains.anchor_t)]

        goal = np.zeros((batch, count, height, width))
        counts = np.ones(goal.shape, bool)
        for image, anchor, row, column in np.ndindex(goal.shape):
            positive = any((p.image, p.anchor, p.row, p.column) == (image, anchor, row, column) for p in found)
            inside = is_inside(regions, image, (column + 0.5) / width, (row + 0.5) / height)
            counts[image, anchor, row, column] = positive or not inside
        for p in found:
            place = (p.image, p.anchor, slice(None), p.row, p.column)
            values = cells[place]
            fit, alpha = complete_iou(decode(values[:4], p.size), p.box)
            parts[0] += box_gain * (1 - fit) / len(found)
            gradient[place][:4] -= box_gain / len(found) * batch * _slopes(values[:4], p, alpha)
            cell = (p.image, p.anchor, p.row, p.column)
            goal[cell] = max(goal[cell], fit)
            if classes > 1:
                for category in range(classes):
                    target = gains.label_smoothing / 2
                    if category == p.category:
                        target = 1 - target
                    share = cls_gain / (len(found) * classes)
                    loss, slope = entropy(values[5 + category], target, gains.cls_pw)
                    parts[2] += share * loss
                    gradient[place][5 + category] += share * slope * batch

        share = obj_gain * balance[level] / max(counts.sum(), 1)
        for image, anchor, row, column in np.argwhere(counts):
            cell = (image, anchor, row, column)
            loss, slope = entropy(cells[image, anchor, 4, row, column], goal[cell], gains.obj_pw)
            parts[1] += share * loss
            gradient[image, anchor, 4, row, column] += share * slope * batch
        gradients.append(gradient.reshape(raw.shape))
    return Restated(sum(parts) * logits[0].shape[0], (parts[0], parts[1], parts[2]), gradients)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def entropy(logit: float, target: float, positive: float) -> tuple[float, float]:
    """Binary cross entropy and its derivative."""
    p = sigmoid(logit)
    loss = -positive * target * math.log(p) - (1 - target) * math.log(1 - p)
    return loss, (1 - target) * p - positive * target * (1 - p)


def decode(values: Array, size: tuple[float, float]) -> tuple[float, float, float, float]:
    x, y, w, h = (2 * sigmoid(value) for value in values)
    return x - 0.5, y - 0.5, w**2 * size[0], h**2 * size[1]


def complete_iou(
    one: tuple[float, float, float, float], two: tuple[float, float, float, float], alpha: float | None = None
) -> tuple[float, float]:
    """CIoU and alpha; a given alpha is held."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = one, two
    across = max(0.0, min(x1 + w1 / 2, x2 + w2 / 2) - max(x1 - w1 / 2, x2 - w2 / 2))
    down = max(0.0, min(y1 + h1 / 2, y2 + h2 / 2) - max(y1 - h1 / 2, y2 - h2 / 2))
    iou = across * down / (w1 * h1 + w2 * h2 - across * down)
    width = max(x1 + w1 / 2, x2 + w2 / 2) - min(x1 - w1 / 2, x2 - w2 / 2)
    height = max(y1 + h1 / 2, y2 + h2 / 2) - min(y1 - h1 / 2, y2 - h2 / 2)
    distance = ((x1 - x2) ** 2 + (y1 - y2) ** 2) / (width**2 + height**2)
    v = 4 / math.pi**2 * (math.atan(w2 / h2) - math.atan(w1 / h1)) ** 2
    held = v / (1 - iou + v) if alpha is None else alpha
    return iou - distance - held * v, held


def _slopes(values: Array, p: Positive, alpha: float) -> Array:
    """Of CIoU, along the four logits."""
    slopes = np.empty(4)
    for index in range(4):
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[index] += sign * STEP
            ends.append(complete_iou(decode(moved, p.size), p.box, alpha)[0])
        slopes[index] = (ends[0] - ends[1]) / (2 * STEP)
    return slopes
