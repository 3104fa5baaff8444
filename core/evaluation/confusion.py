"""Confusion matrix of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.detections import DEFAULT_CONF, DEFAULT_IOU
from core.evaluation.loop import EvaluatedImage
from core.evaluation.overlaps import Floats, ious, shares
from core.label_classes import ALL_CLASSES
from core.labels import Labels


def confusion_matrix(
    labels: Sequence[Labels],
    seen: Sequence[EvaluatedImage],
    classes: int,
    *,
    only: Sequence[int] = (),
    conf: float = DEFAULT_CONF,
    iou: float = DEFAULT_IOU,
) -> NDArray[np.int64]:
    """Count the predicted class of each object.

    Boxes and objects are matched one to one regardless of class, pairs with the highest IoU first, then boxes with the
    higher score. A box without an object is left out if the share of its area in an ignore region of its class is above
    ``iou``.

    Args:
        labels: Labels of all samples.
        seen: Evaluated images with their boxes, best first.
        classes: Number of classes, nc.
        only: Count only these class ids; empty for all.
        conf: Confidence threshold.
        iou: IoU threshold: a matching pair has a higher IoU.

    Returns:
        int64 [nc + 1, nc + 1]: row = predicted, column = true. The last row counts missed objects, the last column
        boxes without an object.
    """
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for image in seen:
        objects, boxes = labels[image.index], image.found
        given, kept = _wanted(objects.classes, only), _wanted(boxes.classes, only) & (boxes.scores >= conf)
        true, predicted = objects.classes[given], boxes.classes[kept]
        places = boxes.boxes[kept].astype(np.float64)
        box, item = _matched(ious(places, _corners(objects.boxes[given], image)), iou)
        counted = ~_ignored(places, predicted, objects, image, iou)
        counted[box] = False
        missed, false = np.delete(true, item), predicted[counted]
        rows = np.concatenate([predicted[box], np.full_like(missed, classes), false])
        columns = np.concatenate([true[item], missed, np.full_like(false, classes)])
        np.add.at(matrix, (rows, columns), 1)
    return matrix


def _wanted(classes: NDArray[np.int32], only: Sequence[int]) -> NDArray[np.bool_]:
    return np.isin(classes, only) if len(only) else np.ones(len(classes), np.bool_)


def _corners(boxes: Floats, image: EvaluatedImage) -> Floats:
    """Convert normalized centre and size to corners in pixels."""
    half = boxes[:, 2:] / 2
    scale = np.array([image.width, image.height] * 2, np.float64)
    corners: Floats = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1) * scale
    return corners


def _ignored(
    boxes: Floats, classes: NDArray[np.int32], labels: Labels, image: EvaluatedImage, share: float
) -> NDArray[np.bool_]:
    """Return for each box whether more than ``share`` of its area is in one ignore region of its class."""
    applies = (labels.region_classes == ALL_CLASSES) | (labels.region_classes == classes[:, None])
    inside = shares(boxes, _corners(labels.regions, image)) > share
    ignored: NDArray[np.bool_] = (applies & inside).any(axis=1)
    return ignored


def _matched(overlaps: Floats, iou: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the matched pairs."""
    rows, columns = np.nonzero(overlaps > iou)
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    free_rows, free_columns = (np.ones(size, np.bool_) for size in overlaps.shape)
    pairs = []
    for row, column in zip(rows[order], columns[order], strict=True):
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            pairs.append((row, column))
    table = np.array(pairs, np.intp).reshape(-1, 2)
    return table[:, 0], table[:, 1]
