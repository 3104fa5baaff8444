"""Ignore regions of a data.yaml in the stage ``evaluate``: metrics, files, table and decode cost."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from core.artifacts import Metrics
from core.detections import Detections
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate.evaluating import evaluate_model
from tests.stages.evaluate.test_evaluate_stage import make_config
from tests.support.dataset_tools import write_dataset
from tests.support.fake_parts import detections, fake_engine, fake_parts
from tests.support.stage_tools import make_context

WRITTEN = ("ignored", "person", "crowd", "dog")
PERSON, DOG = (1, 0.3, 0.4, 0.4, 0.4), (3, 0.6, 0.6, 0.4, 0.4)
CROWD, IGNORED = (2, 0.8, 0.2, 0.4, 0.4), (0, 0.2, 0.85, 0.4, 0.3)
LABELS = {"7": [PERSON, CROWD], "8": [PERSON, DOG, IGNORED], "9": []}
FOUND = [
    # Inside the crowd: a person, which is ignored, and a dog, which is wrong.
    detections((70, 10, 90, 30, 0.95, 0), (10, 20, 50, 60, 0.9, 0), (70, 10, 90, 30, 0.5, 1)),
    # Inside the ignored area: a dog and a person.
    detections((40, 40, 80, 80, 0.8, 1), (0, 75, 30, 95, 0.75, 1), (10, 20, 50, 60, 0.7, 0), (5, 75, 30, 99, 0.7, 0)),
    detections(),
]


def run(
    folder: Path, names: tuple[str, ...] = ("person", "dog"), found: list[Detections] = FOUND, **options: Any
) -> Metrics:
    file = write_dataset(folder / "set", {"val": LABELS}, WRITTEN, size=(100, 100))
    file.write_text(f"{file.read_text()}ignore: {{ignored: all, crowd: [person]}}\n")
    context, _ = make_context(folder / "data")
    limit = options.get("max_pixels", 10**6)
    data = dataset(DatasetConfig(str(file), report=False, max_pixels=limit, imgsz=640), context)
    parts, _, _ = fake_parts(found)
    context, _ = make_context(folder, **parts)
    return evaluate_model(make_config(**options), fake_engine(folder, names=names), data, context)


def test_detections_in_regions_are_neither_right_nor_wrong(tmp_path: Path) -> None:
    metrics = run(tmp_path)
    content = json.loads(metrics.path.read_text())
    person, dog = content["classes"]
    assert (person["precision"], person["recall"], person["map50_95"]) == (1, 1, pytest.approx(1))
    assert (dog["precision"], dog["recall"], dog["map50_95"]) == (1, 1, pytest.approx(1))
    assert (person["instances"], person["images"], dog["instances"]) == (2, 2, 1)
    assert metrics.values["instances"] == 3
    assert (metrics.values["ignore_regions"], metrics.values["ignored_boxes"]) == (2, 3)
    assert "2 ignore regions, 3 boxes inside at this confidence" in metrics.report[0]


def test_others_can_score_the_files(tmp_path: Path) -> None:
    metrics = run(tmp_path)
    folder = metrics.path.parent
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "ground_truth.json"))
        judge = COCOeval(truth, truth.loadRes(str(folder / "predictions.json")), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert metrics.values["map50_95"] == pytest.approx(judge.stats[0], abs=1e-6)
    crowds = [(item["category_id"], item["image_id"]) for item in truth.dataset["annotations"] if item["iscrowd"]]
    assert crowds == [(0, 7), (0, 8), (1, 8)]
    assert [item["name"] for item in truth.dataset["categories"]] == ["person", "dog"]


def test_only_one_class(tmp_path: Path) -> None:
    metrics = run(tmp_path, classes="dog")
    assert (metrics.values["ignore_regions"], metrics.values["instances"]) == (1, 1)


def test_as_one_class(tmp_path: Path) -> None:
    """The regions of all classes are then the same; the dog in the crowd of persons is ignored too."""
    found = [replace(item, classes=item.classes * 0) for item in FOUND]
    metrics = run(tmp_path, ("object",), found, single_class=True)
    assert (metrics.values["precision"], metrics.values["instances"]) == (1, 3)
    assert (metrics.values["ignore_regions"], metrics.values["ignored_boxes"]) == (2, 3)


def test_no_suspects_in_regions(tmp_path: Path) -> None:
    metrics = run(tmp_path, suspects=10)
    folder = metrics.path.parent
    (row,) = json.loads((folder / "suspects.json").read_text())["images"]
    assert [item["reason"] for item in row["contradictions"]] == [
        "no label: the model detects 'dog' with confidence 0.50"
    ]
    assert (folder / "suspects.html").read_text().count('<rect class="region"') == 1


def test_charts(tmp_path: Path) -> None:
    metrics = run(tmp_path, plots=True)
    assert (metrics.path.parent / "val_predictions_1.jpg").is_file()


def test_without_regions_the_files_do_not_mention_them(tmp_path: Path) -> None:
    from tests.stages.evaluate.test_evaluate_stage import run as plain_run

    metrics, _, _ = plain_run(tmp_path)
    assert "ignore" not in "".join([*metrics.report, metrics.path.read_text()])
