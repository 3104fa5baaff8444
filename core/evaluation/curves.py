"""Precision, recall and F1 over confidence, and precision over recall, from the matches of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CONFIDENCES = np.arange(1001) / 1000
RECALLS = np.arange(101) / 100
"""Recall levels of the COCO protocol."""


@dataclass(frozen=True)
class Curves:
    """Curves of the n classes that have objects, at IoU 0.5.

    Attributes:
        names: Class names.
        precision: float64 [n, 1001], TP/(TP+FP) of the boxes with a score of at least each of :data:`CONFIDENCES`;
            0 without boxes.
        recall: float64 [n, 1001], TP/objects of the same boxes.
        boxes: int64 [n, 1001], number of these boxes.
        over_recall: float64 [n, 101], maximum precision at each of :data:`RECALLS` or higher recall; its mean is AP50.
        numbers: Class ids.
        instances: Number of objects per class.
    """

    names: tuple[str, ...]
    precision: Floats
    recall: Floats
    boxes: NDArray[np.int64]
    over_recall: Floats
    numbers: tuple[int, ...]
    instances: tuple[int, ...]

    @property
    def f1(self) -> Floats:
        """F1, the harmonic mean of P and R, float64 [n, 1001]; 0 where both are 0."""
        sums = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, sums, out=np.zeros_like(sums), where=sums > 0)

    @property
    def best(self) -> int:
        """Index of the confidence with the maximum mean F1, the highest confidence of ties."""
        mean = self.f1.mean(axis=0)
        return int(np.flatnonzero(mean == mean.max())[-1])


def make_curves(numbers: Sequence[int], names: Sequence[str], matches: Sequence[ClassMatches]) -> Curves:
    """Return the curves of the classes that have objects, at least one.

    Args:
        numbers, names: Ids and names of the classes.
        matches: Matches of each class.
    """
    found = [entry for entry in zip(numbers, names, matches, strict=True) if entry[2].instances]
    rows = [_over_confidence(item) for *_, item in found]
    precision, recall, boxes = (np.stack(columns) for columns in zip(*rows, strict=True))
    over_recall = np.stack([item.precision[0, :, 0, 0, -1] for *_, item in found])
    ids, titles = tuple(number for number, *_ in found), tuple(name for _, name, _ in found)
    return Curves(titles, precision, recall, boxes, over_recall, ids, tuple(item.instances for *_, item in found))


def _over_confidence(found: ClassMatches) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return P, R and the number of boxes at each of :data:`CONFIDENCES`."""
    kept = np.searchsorted(-found.scores, -CONFIDENCES, side="right")
    hits = np.concatenate([[0], np.cumsum(found.hits)])[kept]
    return hits / np.maximum(kept, 1), hits / max(found.instances, 1), kept.astype(np.int64)


@dataclass(frozen=True)
class ClassMatches:
    """Results of pycocotools for one class.

    Attributes:
        precision: float64 [IoU, recall, 1, area, boxes]; -1 if the class has no objects.
        recall: float64 [IoU, 1, area, boxes]; -1 if the class has no objects.
        scores: float64 [n], scores of all boxes of the class that count, best first.
        hits: bool [n], whether the box matches an object at IoU 0.5.
        images: Number of images with objects of the class.
        instances: Number of objects.
        ignored: float64 [m], scores of the boxes in ignore regions, which count neither as right nor as wrong.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    images: int
    instances: int
    ignored: NDArray[np.float64]
