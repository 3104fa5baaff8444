"""Find the images with labels that the model contradicts with most confidence."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from core.errors import counted
from stages.evaluate.contradictions import Boxes, Contradiction, Record, contradictions

if TYPE_CHECKING:
    from core.evaluation.coco import CocoBox, CocoImage, CocoResult, CocoTruth

    BoxT = TypeVar("BoxT", bound=CocoBox)

LIST, PAGE = "suspects.txt", "suspects.html"


@dataclass(frozen=True)
class Suspect:
    """An image with contradictions.

    Attributes:
        image: Entry of the image in ground_truth.json.
        contradictions: The contradictions, at least one, the largest weight first.
        labels, regions, found: Labels, ignore regions and detections of the image.
    """

    image: CocoImage
    contradictions: Sequence[Contradiction]
    labels: Boxes = field(repr=False)
    regions: Boxes = field(repr=False)
    found: Boxes = field(repr=False)

    @cached_property
    def measure(self) -> tuple[float, float]:
        """The largest weight, by which images are sorted, and the sum of all, for equal ones."""
        return self.contradictions[0].weight, sum(item.weight for item in self.contradictions)


@dataclass(frozen=True)
class Suspects:
    """The worst images of an evaluation.

    Attributes:
        worst: The suspects, worst first.
        limit: Maximum number of them.
        total: Number of images with contradictions.
        evaluated: Number of evaluated images.
        record: Results of the model.
    """

    worst: Sequence[Suspect]
    limit: int
    total: int
    evaluated: int
    record: Record

    def __str__(self) -> str:
        """Return how many images are suspect."""
        of = f"of {counted(self.evaluated, 'image')}"
        if not self.total:
            return f"the model contradicts the labels of none {of}"
        which = f"the worst {len(self.worst):,}" if self.total > len(self.worst) else "they"
        return f"the model contradicts labels of {self.total:,} {of}; {which} are in {PAGE} and {LIST}"


def find_suspects(
    truth: CocoTruth, results: Sequence[CocoResult], record: Record, classes: Sequence[int], limit: int
) -> Suspects:
    """Find the images whose labels the model contradicts most, at most ``limit``.

    Args:
        truth, results: Content of ground_truth.json and predictions.json.
        record: Results of the model.
        classes: Ids of the classes that count; empty for all.
        limit: Maximum number of images.
    """
    wanted = set(classes or record.names)
    given, found = _by_image(truth["annotations"], wanted), _by_image(results, wanted)
    worst: list[tuple[tuple[float, float], int, Suspect]] = []
    total = 0
    for order, image in enumerate(truth["images"]):
        rows, boxes = given.get(image["id"], []), found.get(image["id"], [])
        labels, regions = (Boxes.of([row for row in rows if row["iscrowd"] == crowd]) for crowd in (0, 1))
        detections = Boxes.of(boxes, [box["score"] for box in boxes])
        if items := contradictions(labels, regions, detections, record):
            suspect = Suspect(image, items, labels, regions, detections)
            total += 1
            heapq.heappush(worst, (suspect.measure, -order, suspect))
            if len(worst) > limit:
                heapq.heappop(worst)
    ordered = sorted(worst, key=lambda entry: entry[:2], reverse=True)
    return Suspects([suspect for *_, suspect in ordered], limit, total, len(truth["images"]), record)


def _by_image(annotations: Iterable[BoxT], wanted: set[int]) -> Mapping[int, list[BoxT]]:
    found: defaultdict[int, list[BoxT]] = defaultdict(list)
    for item in annotations:
        if item["category_id"] in wanted:
            found[item["image_id"]].append(item)
    return found
