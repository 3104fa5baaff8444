"""Ground truth and results as COCO JSON, for scoring with other tools.

Category ids are the class ids of the data set, from 0. Image ids are the numbers in the file names if each file name is
a unique number, as in COCO; otherwise 1, 2, ... in order. File names are relative to the deepest common folder of the
split's images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from core.data.dataset import Sample, sample_names
from core.evaluation.loop import EvaluatedImage
from core.labels import Labels, image_ids

BOX_DIGITS = 3
SCORE_DIGITS = 6


class CocoImage(TypedDict):
    """An entry of ``images``."""

    id: int
    file_name: str
    height: int
    width: int


class CocoCategory(TypedDict):
    """An entry of ``categories``."""

    id: int
    name: str


class CocoBox(TypedDict):
    """Common keys of objects and results."""

    image_id: int
    category_id: int
    bbox: list[float]


class CocoLabel(CocoBox):
    """An object without its id."""

    area: float
    iscrowd: int


class CocoObject(CocoLabel):
    """An entry of ``annotations``."""

    id: int


class CocoResult(CocoBox):
    """A detected box."""

    score: float


class CocoTruth(TypedDict):
    """The ground truth file."""

    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoObject]


def ground_truth(
    samples: Sequence[Sample], labels: Sequence[Labels], seen: Sequence[EvaluatedImage], names: Sequence[str]
) -> CocoTruth:
    """Return the labels of the evaluated images; boxes and areas in pixels of the original image."""
    ids = image_ids([sample.image for sample in samples])
    files = sample_names(samples)
    images: list[CocoImage] = [
        {
            "id": ids[image.index],
            "file_name": files[image.index],
            "height": image.height,
            "width": image.width,
        }
        for image in seen
    ]
    rows = [row for image in seen for row in _objects(labels[image.index], image, ids[image.index])]
    # COCOeval uses id 0 for "no match", so the ids of annotations start at 1.
    annotations: list[CocoObject] = [{"id": number, **row} for number, row in enumerate(rows, start=1)]
    categories: list[CocoCategory] = [{"id": index, "name": name} for index, name in enumerate(names)]
    return {"images": images, "categories": categories, "annotations": annotations}


def _objects(labels: Labels, image: EvaluatedImage, image_id: int) -> list[CocoLabel]:
    rows: list[CocoLabel] = []
    for category, (x, y, w, h) in zip(labels.classes.tolist(), labels.boxes.tolist(), strict=True):
        width, height = w * image.width, h * image.height
        box = [x * image.width - width / 2, y * image.height - height / 2, width, height]
        rows.append({"image_id": image_id, "category_id": category, "bbox": box, "area": width * height, "iscrowd": 0})
    return rows


def results(samples: Sequence[Sample], seen: Sequence[EvaluatedImage]) -> list[CocoResult]:
    """Return COCO results, one per box, best first within an image; rounding here lets the file give equal scores."""
    ids = image_ids([sample.image for sample in samples])
    return [
        {
            "image_id": ids[image.index],
            "category_id": category,
            "bbox": [round(value, BOX_DIGITS) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(score, SCORE_DIGITS),
        }
        for image in seen
        for (x1, y1, x2, y2), score, category in zip(
            image.found.boxes.tolist(), image.found.scores.tolist(), image.found.classes.tolist(), strict=True
        )
    ]
