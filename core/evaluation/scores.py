"""COCO scores by pycocotools, and precision and recall per class from the same matches."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from core.errors import counted
from core.evaluation.curves import CONFIDENCES, ClassMatches, Curves, make_curves
from core.tables import aligned

if TYPE_CHECKING:
    from core.evaluation.coco import CocoBox, CocoImage, CocoObject, CocoResult, CocoTruth

    BoxT = TypeVar("BoxT", bound=CocoBox)

STATS = (
    "map50_95", "map50", "map75", "map_small", "map_medium", "map_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
"""Names of the twelve values of ``COCOeval.stats``, in its order."""


@dataclass(frozen=True)
class ClassScore:
    """One row of the table: counts of labelled images and objects, and scores from 0 to 1."""

    name: str
    images: int
    instances: int
    precision: float
    recall: float
    map50: float
    map50_95: float


@dataclass(frozen=True)
class Scores:
    """Scores of one evaluation.

    Attributes:
        stats: COCO scores by the names in :data:`STATS`, without those of object sizes that do not occur.
        confidence: Confidence threshold of P and R.
        all: Means over ``classes``.
        classes: Scores of the classes that have objects, by id.
        absent: Number of classes without objects.
        regions: Number of ignore regions.
        ignored: Number of boxes in them with a score of at least ``confidence``, at IoU 0.5.
        curves: Curves from which ``confidence``, P, R and mAP50 were read.
    """

    stats: Mapping[str, float]
    confidence: float
    all: ClassScore
    classes: tuple[ClassScore, ...]
    absent: int
    regions: int
    ignored: int
    curves: Curves = field(compare=False, repr=False)


def score(truth: CocoTruth, results: Sequence[CocoResult], classes: Sequence[int] = ()) -> Scores:
    """Score COCO results against COCO ground truth.

    Args:
        truth: Result of :func:`core.evaluation.coco.ground_truth`, with at least one object of the classes.
        results: Result of :func:`core.evaluation.coco.results`.
        classes: Score only these class ids; empty for all.
    """
    names = {item["id"]: item["name"] for item in truth["categories"]}
    chosen = sorted(classes or names)
    objects, boxes = _by_class(truth["annotations"]), _by_class(results)
    with redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        # pycocotools keeps all matches: 1,000 images with 250 boxes take 33 MB class by class, 670 MB at once.
        matches = [_match(truth["images"], objects[index], boxes[index], index) for index in chosen]
        stats = _summarize(matches)
    regions = {
        (item["image_id"], *item["bbox"]) for index in chosen for item in objects[index] if item["iscrowd"]
    }  # a region of several classes is an annotation of each
    return _tabulate(
        chosen,
        [names[index] for index in chosen],
        matches,
        stats,
        images=len(truth["images"]),
        regions=len(regions),
    )


def _by_class(annotations: Sequence[BoxT]) -> Mapping[int, list[BoxT]]:
    found: defaultdict[int, list[BoxT]] = defaultdict(list)
    for item in annotations:
        found[item["category_id"]].append(item)
    return found


def _match(
    images: Sequence[CocoImage],
    objects: Sequence[CocoObject],
    boxes: Sequence[CocoResult],
    category: int,
) -> ClassMatches:
    # COCOeval modifies its annotations, so it gets copies.
    found: list[dict[str, object]] = [
        {**item, "id": number, "area": item["bbox"][2] * item["bbox"][3], "iscrowd": 0}
        for number, item in enumerate(boxes, start=1)
    ]
    given: list[dict[str, object]] = [{**item} for item in objects]
    evaluator = COCOeval(_indexed(images, given, category), _indexed(images, found, category), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    whole = [item for item in evaluator.evalImgs[: len(images)] if item is not None]  # the first area range is "all"
    scores = np.array([value for item in whole for value in item["dtScores"]], np.float64)
    hits = np.array([value > 0 for item in whole for value in item["dtMatches"][0]], np.bool_)
    ignored = np.array([value for item in whole for value in item["dtIgnore"][0]], np.bool_)
    order = np.argsort(-scores, kind="stable")
    order = order[~ignored[order]]
    counts = [int((item["gtIgnore"] == 0).sum()) for item in whole]
    return ClassMatches(
        precision=evaluator.eval["precision"],
        recall=evaluator.eval["recall"],
        scores=scores[order],
        hits=hits[order],
        images=sum(count > 0 for count in counts),
        instances=sum(counts),
        ignored=scores[ignored],
    )


def _indexed(images: Sequence[CocoImage], annotations: list[dict[str, object]], category: int) -> COCO:
    coco = COCO()
    coco.dataset = {"images": images, "categories": [{"id": category}], "annotations": annotations}
    coco.createIndex()
    return coco


def _summarize(matches: Sequence[ClassMatches]) -> dict[str, float]:
    """Return the twelve COCO scores over all classes."""
    whole = COCOeval(iouType="bbox")
    whole.eval = {
        "precision": np.concatenate([item.precision for item in matches], axis=2),
        "recall": np.concatenate([item.recall for item in matches], axis=1),
    }
    whole.summarize()
    return {name: float(value) for name, value in zip(STATS, whole.stats, strict=True) if value >= 0}


def _tabulate(
    chosen: Sequence[int],
    names: Sequence[str],
    matches: Sequence[ClassMatches],
    stats: Mapping[str, float],
    *,
    images: int,
    regions: int,
) -> Scores:
    curves = make_curves(chosen, names, matches)
    best = curves.best
    known = [(name, item) for name, item in zip(names, matches, strict=True) if item.instances]
    rows = tuple(
        ClassScore(name, item.images, item.instances, float(p), float(r), *_average_precision(item))
        for (name, item), p, r in zip(known, curves.precision[:, best], curves.recall[:, best], strict=True)
    )
    total = ClassScore(
        name="all",
        images=images,
        instances=sum(row.instances for row in rows),
        precision=sum(row.precision for row in rows) / len(rows),
        recall=sum(row.recall for row in rows) / len(rows),
        map50=stats["map50"],
        map50_95=stats["map50_95"],
    )
    confidence = float(CONFIDENCES[best])
    return Scores(
        stats=stats,
        confidence=confidence,
        all=total,
        classes=rows,
        absent=len(matches) - len(rows),
        regions=regions,
        ignored=sum(int((item.ignored >= confidence).sum()) for item in matches),
        curves=curves,
    )


def _average_precision(matches: ClassMatches) -> tuple[float, float]:
    """Return AP50 and AP50-95 for all object sizes and up to 100 boxes per image."""
    precision = matches.precision[:, :, 0, 0, -1]
    return float(precision[0].mean()), float(precision.mean())


HEADER = ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")


def class_table(scores: Scores) -> str:
    """Return the scores as text: a header, the row ``all``, one row per class with objects, and notes."""
    lines = aligned([HEADER, *map(_row, (scores.all, *scores.classes))])
    lines.append(f"P and R at IoU 0.5 and confidence {scores.confidence:.3f}, where the mean F1 is highest")
    if scores.absent:
        lines.append(f"{counted(scores.absent, 'more class')} without objects, not in the means")
    if scores.regions:
        inside = f"{counted(scores.ignored, 'box')} inside at this confidence"
        lines.append(f"{counted(scores.regions, 'ignore region')}, {inside}: neither right nor wrong")
    return "\n".join(lines)


def _row(score: ClassScore) -> tuple[str, ...]:
    figures = (score.precision, score.recall, score.map50, score.map50_95)
    return (score.name, str(score.images), str(score.instances), *(f"{figure:.3f}" for figure in figures))
