"""Write suspects.json, suspects.txt and suspects.html, also for a stored evaluation.

Everything but the paths in suspects.txt is independent of the location of the data set. When a stored evaluation is
reused, the files are made from its COCO files if they are missing, or are for another number or location of images.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.artifacts import Dataset, Metrics
from core.data.classes import class_ids
from core.data.dataset import Sample, load_split, sample_names
from core.kinds.context import RunContext
from core.storage.serial import json_text
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.contradictions import Boxes, Record
from stages.evaluate.suspects import LIST, PAGE, Suspect, Suspects, find_suspects
from stages.evaluate.suspects_page import write_page

if TYPE_CHECKING:
    from core.evaluation.coco import CocoResult, CocoTruth

JSON, IMAGES = "suspects.json", "suspects"


def write_suspects(suspects: Suspects, samples: Sequence[Sample], folder: Path, max_pixels: int) -> None:
    """Write the three files, and the images of the page into the folder ``suspects``.

    Args:
        suspects: The suspects.
        samples: The images of the split.
        folder: Folder of the evaluation.
        max_pixels: Maximum width x height of an image.
    """
    paths = dict(zip(sample_names(samples), (sample.image for sample in samples), strict=True))
    names = [suspect.image["file_name"] for suspect in suspects.worst]
    content = {
        "limit": suspects.limit,
        "total": suspects.total,
        "confidence": suspects.record.confidence,
        "images": [_row(suspect, suspects.record) for suspect in suspects.worst],
    }
    (folder / JSON).write_text(json_text(content, 1) + "\n", encoding="utf-8")
    (folder / LIST).write_bytes(_listing(paths[name] for name in names))
    write_page(suspects, [paths[name] for name in names], folder / PAGE, folder / IMAGES, max_pixels)


def _row(suspect: Suspect, record: Record) -> dict[str, object]:
    rows = [
        {
            "kind": item.kind.value,
            "weight": round(item.weight, 6),
            "reason": item.reason,
            "label": _place(suspect.labels, item.label, record),
            "detection": _place(suspect.found, item.detection, record),
            "score": None if item.detection is None else float(suspect.found.scores[item.detection]),
        }
        for item in suspect.contradictions
    ]
    return {"image": suspect.image["file_name"], "measure": round(suspect.measure[0], 6), "contradictions": rows}


def _place(boxes: Boxes, index: int | None, record: Record) -> dict[str, object] | None:
    if index is None:
        return None
    x1, y1, x2, y2 = boxes.corners[index].tolist()
    bbox = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
    return {"class": record.names[int(boxes.classes[index])], "bbox": bbox}


def _listing(images: Iterable[Path]) -> bytes:
    """Return the content of a list for ``source=``; a path with a line break cannot be in one."""
    paths = (str(image.absolute()) for image in images)
    return b"".join(os.fsencode(path) + b"\n" for path in paths if path.splitlines() == [path.strip()])


def supplement_of(
    config: EvaluateConfig, stored: Metrics, dataset: Dataset, context: RunContext
) -> Callable[[Path], None] | None:
    """Return a function that makes the files of a stored evaluation as the options ask for; None if they are so.

    Args:
        config: Options of the stage.
        stored: The evaluation.
        dataset: The data set, which may be in another place than that of the evaluation.
        context: For messages.
    """
    if not config.suspects and not (stored.path.parent / JSON).exists():
        return None
    samples = load_split(dataset, config.split)
    if _is_current(config, stored.path.parent, samples):
        return None

    def write(folder: Path) -> None:
        for name in (JSON, LIST, PAGE):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / IMAGES, ignore_errors=True)
        if config.suspects:
            truth = cast("CocoTruth", json.loads((folder / "ground_truth.json").read_bytes()))
            results = cast("list[CocoResult]", json.loads((folder / "predictions.json").read_bytes()))
            names = {item["id"]: item["name"] for item in truth["categories"]}
            record = Record(names, stored.values["confidence"], _recall(names, folder / stored.path.name))
            classes = () if config.single_class else class_ids(config.classes, dataset.names)
            suspects = find_suspects(truth, results, record, classes, config.suspects)
            write_suspects(suspects, samples, folder, config.max_pixels)
            context.note(f"evaluate: {suspects}")

    return write


def _is_current(config: EvaluateConfig, folder: Path, samples: Sequence[Sample]) -> bool:
    """Return whether the files in ``folder`` have the wanted number of images, and the paths of these samples."""
    if not (folder / JSON).exists():
        return not config.suspects
    content = json.loads((folder / JSON).read_bytes())
    paths = dict(zip(sample_names(samples), (sample.image for sample in samples), strict=True))
    listing = _listing(paths[row["image"]] for row in content["images"])
    return content["limit"] == config.suspects and (folder / LIST).read_bytes() == listing


def _recall(names: Mapping[int, str], metrics: Path) -> dict[int, float]:
    ids = {name: index for index, name in names.items()}
    return {ids[row["name"]]: row["recall"] for row in json.loads(metrics.read_bytes())["classes"]}
