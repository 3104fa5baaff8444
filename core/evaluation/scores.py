"""The COCO protocol by pycocotools, and P and R a class from the same matches.

mAP is the mean of the precision at 101 recall levels over the classes that have objects; small, medium
and large are by the area of the box in the original picture, under 32², 32² to 96², above. P and R are
the plain shares TP/(TP+FP) and TP/objects at IoU 0.5 among the boxes whose score reaches one
confidence for all classes: the one of 0, 0.001, ... 1 at which the mean F1 of the classes is best (the
highest of equal ones). P is 0 for a class that has no box there. pycocotools looks at the 100 best boxes
a class and picture.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CONFIDENCES = np.arange(1001) / 1000
STATS = (
    "map50_95", "map50", "map75", "map_small", "map_medium", "map_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
"""Names of the twelve figures of ``COCOeval.stats``, in its order."""


@dataclass(frozen=True)
class ClassScore:
    """One row of the table. ``images`` and ``instances`` count the labels, the other figures are 0..1."""

    name: str
    images: int
    instances: int
    precision: float
    recall: float
    map50: float
    map50_95: float


@dataclass(frozen=True)
class Scores:
    """All figures of one evaluation.

    Attributes:
        stats: By the names in :data:`STATS`; a figure that does not exist, as nothing has that size, is left out.
        confidence: At which P and R hold.
        all: The means over ``classes``.
        classes: Those that have objects, by id.
        absent: Number of classes without objects.
    """

    stats: Mapping[str, float]
    confidence: float
    all: ClassScore
    classes: tuple[ClassScore, ...]
    absent: int


def score(truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], classes: Sequence[int] = ()) -> Scores:
    """Score COCO results against COCO ground truth.

    Args:
        truth: From :func:`core.evaluation.coco.ground_truth`; at least one object.
        results: From :func:`core.evaluation.coco.results`.
        classes: Only these class ids; all where empty.
    """
    with redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        # COCOeval writes into the annotations it is given, so it gets copies.
        objects = [dict(item) for item in truth["annotations"]]
        judge = COCOeval(_indexed(truth, objects), _indexed(truth, _with_areas(results)), "bbox")
        judge.params.catIds = list(classes) or judge.params.catIds
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    stats = {name: float(value) for name, value in zip(STATS, judge.stats, strict=True) if value >= 0}
    return _tabulate(judge, stats, {item["id"]: item["name"] for item in truth["categories"]})


def _indexed(truth: Mapping[str, Any], annotations: list[dict[str, Any]]) -> COCO:
    coco = COCO()
    coco.dataset = {**truth, "annotations": annotations}
    coco.createIndex()
    return coco


def _with_areas(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**item, "id": number, "area": item["bbox"][2] * item["bbox"][3], "iscrowd": 0}
        for number, item in enumerate(results, start=1)
    ]


def _tabulate(judge: COCOeval, stats: Mapping[str, float], names: Mapping[int, str]) -> Scores:
    ap50_95s, ap50s = _average_precision(judge)
    matches = [class_matches(judge, position) for position in range(len(judge.params.catIds))]
    confidence, precision, recall = best_f1(matches)
    rows = tuple(
        ClassScore(names[category], found.images, found.instances, float(p), float(r), float(ap50), float(ap))
        for category, found, p, r, ap50, ap in zip(
            judge.params.catIds, matches, precision, recall, ap50s, ap50_95s, strict=True
        )
        if found.instances
    )
    total = ClassScore(
        name="all",
        images=len(judge.params.imgIds),
        instances=sum(row.instances for row in rows),
        precision=sum(row.precision for row in rows) / len(rows),
        recall=sum(row.recall for row in rows) / len(rows),
        map50=stats["map50"],
        map50_95=stats["map50_95"],
    )
    return Scores(stats, confidence, total, rows, len(matches) - len(rows))


def _average_precision(judge: COCOeval) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP50-95 and AP50 a class over all areas, -1 for a class without objects."""
    precision = judge.eval["precision"][:, :, :, 0, -1]  # [IoU, recall, class]
    return precision.mean(axis=(0, 1)), precision[0].mean(axis=0)


@dataclass(frozen=True)
class Matches:
    """What pycocotools matched of one class at IoU 0.5.

    Attributes:
        scores: float64 [n] of all boxes of the class, best first.
        hits: bool [n], whether the box has an object of its own.
        images: Number of pictures with objects of the class.
        instances: Number of objects.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    images: int
    instances: int


def class_matches(judge: COCOeval, position: int) -> Matches:
    """The matches of the class at ``position`` of ``judge.params.catIds``, all areas together."""
    count = len(judge.params.imgIds)
    start = position * len(judge.params.areaRng) * count
    judged = [item for item in judge.evalImgs[start : start + count] if item is not None]
    scores = np.array([value for item in judged for value in item["dtScores"]], np.float64)
    hits = np.array([value > 0 for item in judged for value in item["dtMatches"][0]], np.bool_)
    order = np.argsort(-scores, kind="stable")
    objects = [len(item["gtIds"]) for item in judged]
    return Matches(scores[order], hits[order], sum(number > 0 for number in objects), sum(objects))


def best_f1(matches: Sequence[Matches]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The confidence of best mean F1 over the classes with objects, and P and R a class there."""
    curves = [_curves(found) for found in matches]
    precision, recall = (np.array([curve[index] for curve in curves]) for index in (0, 1))
    sums = precision + recall
    f1 = np.divide(2 * precision * recall, sums, out=np.zeros_like(sums), where=sums > 0)
    mean = f1[[found.instances > 0 for found in matches]].mean(axis=0)
    best = int(np.flatnonzero(mean == mean.max())[-1])
    return float(CONFIDENCES[best]), precision[:, best], recall[:, best]


def _curves(found: Matches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P and R at each of :data:`CONFIDENCES`."""
    kept = np.searchsorted(-found.scores, -CONFIDENCES, side="right")  # boxes whose score reaches it
    hits = np.concatenate([[0], np.cumsum(found.hits)])[kept]
    return hits / np.maximum(kept, 1), hits / max(found.instances, 1)
