"""Ground truth and results in COCO's JSON form, so that anybody can score them again.

Category ids are the class ids of the data set, from 0. Image ids are the numbers in the file names
where every file is named by a number of its own, as COCO's are; else 1, 2, ... in order. File names are relative
to the deepest folder that holds all images of the split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from core.data.dataset import Sample, sample_names
from core.evaluation.loop import Seen
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
    """What an object and a result have in common."""

    image_id: int
    category_id: int
    bbox: list[float]


class CocoLabel(CocoBox):
    """An object without its number."""

    area: float
    iscrowd: int


class CocoObject(CocoLabel):
    """An entry of ``annotations``."""

    id: int


class CocoResult(CocoBox):
    """A box that was found."""

    score: float


class CocoTruth(TypedDict):
    """Ground truth."""

    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoObject]


def ground_truth(
    samples: Sequence[Sample], labels: Sequence[Labels], seen: Sequence[Seen], names: Sequence[str]
) -> CocoTruth:
    """The labels of the pictures that were seen; boxes and areas in pixels of the original picture."""
    ids = image_ids([sample.image for sample in samples])
    files = sample_names(samples)
    images: list[CocoImage] = [
        {
            "id": ids[picture.index],
            "file_name": files[picture.index],
            "height": picture.height,
            "width": picture.width,
        }
        for picture in seen
    ]
    rows = [row for picture in seen for row in _objects(labels[picture.index], picture, ids[picture.index])]
    # COCOeval marks "no match" with 0, so the ids of annotations start at 1.
    annotations: list[CocoObject] = [{"id": number, **row} for number, row in enumerate(rows, start=1)]
    categories: list[CocoCategory] = [{"id": index, "name": name} for index, name in enumerate(names)]
    return {"images": images, "categories": categories, "annotations": annotations}


def _objects(labels: Labels, picture: Seen, image_id: int) -> list[CocoLabel]:
    rows: list[CocoLabel] = []
    for category, (x, y, w, h) in zip(labels.classes.tolist(), labels.boxes.tolist(), strict=True):
        width, height = w * picture.width, h * picture.height
        box = [x * picture.width - width / 2, y * picture.height - height / 2, width, height]
        rows.append({"image_id": image_id, "category_id": category, "bbox": box, "area": width * height, "iscrowd": 0})
    return rows


def results(samples: Sequence[Sample], seen: Sequence[Seen]) -> list[CocoResult]:
    """COCO results: one entry a box, best first within a picture; rounded, so that scoring the file gives the same."""
    ids = image_ids([sample.image for sample in samples])
    return [
        {
            "image_id": ids[picture.index],
            "category_id": category,
            "bbox": [round(value, BOX_DIGITS) for value in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(score, SCORE_DIGITS),
        }
        for picture in seen
        for (x1, y1, x2, y2), score, category in zip(
            picture.found.boxes.tolist(), picture.found.scores.tolist(), picture.found.classes.tolist(), strict=True
        )
    ]
