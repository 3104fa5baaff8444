"""Where the detections in an image contradict its labels. Heavy: imports NumPy.

docs/evaluation.md ("Suspects") states the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.evaluation.overlaps import Floats, ious, shares

if TYPE_CHECKING:
    from core.evaluation.coco import CocoBox

IOU = 0.5
"""IoU from which a detection and a label are the same object, and share from which a region contains a detection."""
CONFIDENT = 0.5
"""Minimum confidence of a detection that contradicts the labels."""
MIN_WEIGHT = 0.25
"""Minimum weight of a contradiction: the model is not confident about the others."""
NEAR = 0.1
"""IoU from which a reason mentions the nearest label."""


class ContradictionKind(str, Enum):
    """What is wrong if the model is right: a label is missing, has the wrong class, or is not an object."""

    no_label = "no-label"
    other_class = "other-class"
    not_found = "not-found"


@dataclass(frozen=True)
class Contradiction:
    """A place where detections and labels disagree.

    Attributes:
        kind: How they disagree.
        weight: How much it speaks for a wrong label, 0 to 1.
        reason: The same in words.
        label: Index of the label in the labels of the image; None if there is none.
        detection: Index of the detection in the detections of the image; None if there is none.
    """

    kind: ContradictionKind
    weight: float
    reason: str
    label: int | None = None
    detection: int | None = None


@dataclass(frozen=True)
class Boxes:
    """Labels, ignore regions or detections of one image.

    Attributes:
        classes: Class ids.
        corners: x1, y1, x2, y2 in pixels.
        scores: Scores of detections, best first; 1 for labels and regions.
    """

    classes: NDArray[np.int64]
    corners: Floats
    scores: Floats

    @classmethod
    def of(cls, rows: Sequence[CocoBox], scores: Sequence[float] | None = None) -> Boxes:
        """Return the boxes of entries of COCO files, by score."""
        values = np.array([1.0] * len(rows) if scores is None else scores, np.float64)
        order = np.argsort(-values, kind="stable")
        classes = np.array([row["category_id"] for row in rows], np.int64)
        places = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
        corners = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], axis=1)
        return cls(classes[order], corners[order], values[order])

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Record:
    """Results of the model in this evaluation.

    Attributes:
        names: Class names by id.
        confidence: Confidence threshold with the best mean F1.
        recall: Recall at this confidence by class id.
    """

    names: Mapping[int, str]
    confidence: float
    recall: Mapping[int, float]


def contradictions(labels: Boxes, regions: Boxes, found: Boxes, record: Record) -> list[Contradiction]:
    """Return the contradictions in one image, the largest weight first.

    Args:
        labels: The labelled objects.
        regions: The ignore regions, one per class that they apply to.
        found: The detections.
        record: Results of the model.
    """
    image = _ImageMatches(labels, found, record, _in_regions(found, regions))
    others = {item.label: item for item in image.other_classes()}
    missed = (item for item in image.not_found() if item.label not in others)
    items = [item for item in (*image.unlabelled(), *others.values(), *missed) if item.weight >= MIN_WEIGHT]
    return sorted(items, key=lambda item: -item.weight)


def _in_regions(found: Boxes, regions: Boxes) -> NDArray[np.bool_]:
    """Return whether each detection is in an ignore region of its class."""
    inside = shares(found.corners, regions.corners) >= IOU
    ignored: NDArray[np.bool_] = (inside & (found.classes[:, None] == regions.classes)).any(axis=1)
    return ignored


class _ImageMatches:
    """Matches the detections of one image with its labels.

    Args:
        labels, found, record: As for :func:`contradictions`.
        ignored: Whether each detection is in an ignore region.
    """

    def __init__(self, labels: Boxes, found: Boxes, record: Record, ignored: NDArray[np.bool_]) -> None:
        self._labels, self._found, self._record = labels, found, record
        self._overlaps = ious(found.corners, labels.corners)
        matches = dict(self._matches())
        self._best = {label: float(found.scores[row]) for row, label in matches.items()}
        """Confidence of the detection that matches a label."""
        self._left = [
            row for row in np.flatnonzero((found.scores >= CONFIDENT) & ~ignored).tolist() if row not in matches
        ]
        """Confident detections without a label of their class, best first."""

    def _matches(self) -> Iterator[tuple[int, int]]:
        """Yield detection and label of each pair: as in COCO, detections by score, each with the nearest free label."""
        same = self._found.classes[:, None] == self._labels.classes
        near = np.where(same & (self._overlaps >= IOU), self._overlaps, 0)
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            label = int(near[row].argmax())
            if near[row, label] > 0:
                near[:, label] = 0
                yield row, label

    def unlabelled(self) -> Iterator[Contradiction]:
        """Yield the detections without any label; of several on one object the best."""
        taken: list[int] = []
        for row in self._left:
            near = self._nearest(row)
            if near is not None and self._overlaps[row, near] >= IOU:
                continue
            if taken and ious(self._found.corners[[row]], self._found.corners[taken]).max() >= IOU:
                continue
            taken.append(row)
            reason = f"no label: the model detects {self._detected(row)}{self._overlapping(row, near)}"
            yield Contradiction(ContradictionKind.no_label, float(self._found.scores[row]), reason, detection=row)

    def other_classes(self) -> Iterator[Contradiction]:
        """Yield the labels on which a detection of another class has a higher confidence; the best one of each."""
        seen: set[int] = set()
        for row in self._left:
            label = self._nearest(row)
            if label is None or self._overlaps[row, label] < IOU or label in seen:
                continue
            own, score = self._best.get(label, 0.0), float(self._found.scores[row])
            if self._labels.classes[label] == self._found.classes[row] or score <= own:
                continue
            seen.add(label)
            but = f", and '{self._label(label)}' with {own:.2f}" if own >= self._record.confidence else ""
            reason = f"label '{self._label(label)}': the model detects {self._detected(row)}{but}"
            yield Contradiction(ContradictionKind.other_class, score - own, reason, label, row)

    def not_found(self) -> Iterator[Contradiction]:
        """Yield the labels that no detection of their class matches with the confidence of the best F1."""
        for label, number in enumerate(self._labels.classes.tolist()):
            own = self._best.get(label, 0.0)
            if own < self._record.confidence:
                match = f"the best matching detection has confidence {own:.3f}" if own else "no detection matches it"
                reason = f"label '{self._label(label)}' is not found: {match}"
                weight = self._record.recall.get(number, 0.0) ** 2 * (1 - own)
                yield Contradiction(ContradictionKind.not_found, weight, reason, label)

    def _nearest(self, row: int) -> int | None:
        """Return the label with the largest overlap; None for an image without labels."""
        return int(self._overlaps[row].argmax()) if len(self._labels) else None

    def _overlapping(self, row: int, label: int | None) -> str:
        if label is None or self._overlaps[row, label] < NEAR:
            return ""
        return f"; the nearest label, '{self._label(label)}', overlaps it by IoU {self._overlaps[row, label]:.2f}"

    def _detected(self, row: int) -> str:
        return f"'{self._record.names[int(self._found.classes[row])]}' with confidence {self._found.scores[row]:.2f}"

    def _label(self, label: int) -> str:
        return self._record.names[int(self._labels.classes[label])]
