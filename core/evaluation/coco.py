"""Ground truth and results as COCO JSON, for scoring with other tools.

Category ids are the class ids of the data set, from 0. Image ids are the numbers in the file names if each file name is
a unique number, as in COCO; otherwise 1, 2, ... in order. File names are relative to the deepest common folder of the
split's images. An ignore region is an annotation with ``iscrowd`` of its category; a region of all classes is one in
every category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from core.data.dataset import Sample, sample_names
from core.evaluation.loop import EvaluatedImage
from core.label_classes import ALL_CLASSES
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
    """An object, or an ignore region (``iscrowd``), without its id."""

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
    rows = [row for image in seen for row in _annotations(labels[image.index], image, ids[image.index], len(names))]
    # COCOeval uses id 0 for "no match", so the ids of annotations start at 1.
    annotations: list[CocoObject] = [{"id": number, **row} for number, row in enumerate(rows, start=1)]
    categories: list[CocoCategory] = [{"id": index, "name": name} for index, name in enumerate(names)]
    return {"images": images, "categories": categories, "annotations": annotations}


def _annotations(labels: Labels, image: EvaluatedImage, image_id: int, classes: int) -> list[CocoLabel]:
    objects = zip(labels.classes.tolist(), labels.boxes.tolist(), strict=True)
    rows = [_annotation(image, image_id, category, box) for category, box in objects]
    regions: dict[tuple[int, tuple[float, ...]], None] = {}  # single_class can make the classes of a region equal
    for region_class, region in zip(labels.region_classes.tolist(), labels.regions.tolist(), strict=True):
        categories = range(classes) if region_class == ALL_CLASSES else (region_class,)
        regions |= dict.fromkeys((category, tuple(region)) for category in categories)
    return rows + [_annotation(image, image_id, category, box, iscrowd=1) for category, box in regions]


def _annotation(
    image: EvaluatedImage, image_id: int, category: int, box: Sequence[float], iscrowd: int = 0
) -> CocoLabel:
    x, y, w, h = box
    width, height = w * image.width, h * image.height
    bbox = [x * image.width - width / 2, y * image.height - height / 2, width, height]
    return {
        "image_id": image_id,
        "category_id": category,
        "bbox": bbox,
        "area": width * height,
        "iscrowd": iscrowd,
    }


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
