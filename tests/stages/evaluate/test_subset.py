"""A model of more classes than the data set has: classes are matched by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.cv.plugin import hookline_processors
from core.artifacts import Engine, Metrics, OnnxModel
from core.detections import Detections
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from core.model_facts import InputContract
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.evaluating import evaluate_model
from tests.support.dataset_tools import write_dataset
from tests.support.fake_parts import FakeProcessor, detections, fake_engine, fake_parts, runtime_part
from tests.support.stage_tools import Memory, make_context

MODEL = ("cat", "dog", "car", "person")
# 100 x 100 pixels: a person at 10..50, 20..60, and in the second image a dog at 40..80, 40..80 too.
PERSON, DOG = (0, 0.3, 0.4, 0.4, 0.4), (1, 0.6, 0.6, 0.4, 0.4)
FOUND = [
    detections((0, 0, 30, 30, 0.95, 0), (10, 20, 50, 60, 0.9, 3)),
    detections((40, 40, 80, 80, 0.8, 1), (10, 20, 50, 60, 0.7, 3)),
]
REMARK = "2 of 4 classes of the model are in the data set, matched by name; detections of the others are left out"


def run(
    folder: Path, names: tuple[str, ...] = ("person", "dog"), found: list[Detections] = FOUND, **options: Any
) -> tuple[Metrics, Memory, FakeProcessor]:
    parts, _, processor = fake_parts(found)
    context, memory = make_context(folder, **parts)
    return (
        evaluate_model(config(**options), fake_engine(folder, names=MODEL), data(folder, names), context),
        memory,
        processor,
    )


def config(**options: Any) -> EvaluateConfig:
    shared: dict[str, Any] = {"conf": None, "iou": None, "max_det": 300, "classes": None, "single_class": False}
    given = {**shared, "imgsz": None, "processor": "fake", "plots": False, "max_pixels": MAX_PIXELS, **options}
    return EvaluateConfig(**given)


def data(folder: Path, names: tuple[str, ...]) -> Any:
    file = write_dataset(folder / "set", {"val": {"1": [PERSON], "2": [PERSON, DOG]}}, names, size=(100, 100))
    context, _ = make_context(folder / "data")
    return dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)


def test_a_subset_is_measured_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    metrics, memory, processor = run(tmp_path, plots=True)
    assert memory.warnings == [REMARK]
    assert metrics.notes == (REMARK,)
    assert metrics.values["map50_95"] == pytest.approx(1)
    assert {wanted.classes for wanted in processor.filters} == {(1, 3)}
    assert [line.split()[0] for line in metrics.report[0].splitlines()[1:4]] == ["all", "person", "dog"]


def test_the_files_have_the_class_ids_of_the_data_set(tmp_path: Path) -> None:
    metrics, _, _ = run(tmp_path)
    folder = metrics.path.parent
    categories = json.loads((folder / "ground_truth.json").read_text())["categories"]
    assert categories == [{"id": 0, "name": "person"}, {"id": 1, "name": "dog"}]
    found = json.loads((folder / "predictions.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in found] == [(1, 0), (2, 1), (2, 0)]
    assert json.loads(metrics.path.read_text())["protocol"]["classes"] == []


def test_another_order_of_the_same_names(tmp_path: Path) -> None:
    """Matched by id, each box would have the wrong class."""
    metrics, memory, processor = run(tmp_path, ("person", "dog", "cat", "car"))
    assert memory.warnings == ["4 of 4 classes of the model are in the data set, matched by name"]
    assert metrics.values["map50_95"] == pytest.approx(1)
    assert processor.filters[0].classes == (0, 1, 2, 3)


def test_some_classes_of_a_subset(tmp_path: Path) -> None:
    metrics, _, processor = run(tmp_path, classes="dog")
    assert processor.filters[0].classes == (1,)
    assert metrics.values["instances"] == 1
    assert metrics.values["map50"] == pytest.approx(1)
    assert json.loads(metrics.path.read_text())["protocol"]["classes"] == [1]


def test_a_class_that_the_model_lacks_is_refused_unless_it_is_not_measured(tmp_path: Path) -> None:
    names = ("person", "helmet")
    with pytest.raises(HooklineError, match=r"not in the model: helmet; measure the others with 'classes=\[person\]'"):
        run(tmp_path, names)
    metrics, memory, processor = run(tmp_path, names, classes="person")
    assert processor.filters[0].classes == (3,)
    assert metrics.values["instances"] == 2
    assert memory.warnings[0].startswith("1 of 4 classes of the model is in the data set")


class CrowdedRuntime:
    """One person below ten better cats, as an engine gives them."""

    def open(self, model: OnnxModel | Engine, *, device: str) -> CrowdedSession:
        return CrowdedSession(model)


class CrowdedSession:
    def __init__(self, model: OnnxModel | Engine) -> None:
        self.facts, self.contract, self.layout = model.facts, model.contract, model.layout
        self.score_threshold = 0.0

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        cats = [[10.0 * number, 0, 10.0 * number + 9, 9] for number in range(10)]
        boxes = np.array([[*cats, [10, 20, 50, 60]]] * len(images), np.float32)
        return {
            "DecodeNumDetection": np.full((len(images), 1), 11, np.int32),
            "DecodeDetectionBoxes": boxes,
            "DecodeDetectionScores": np.array([[0.9] * 10 + [0.5]] * len(images), np.float32),
            "DecodeDetectionClasses": np.array([[0] * 10 + [3]] * len(images), np.int32),
        }

    def __enter__(self) -> CrowdedSession:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def test_other_classes_do_not_use_up_max_det(tmp_path: Path) -> None:
    parts, _, _ = fake_parts([])
    parts |= {"runtimes": [runtime_part("fake", CrowdedRuntime())], "processors": list(hookline_processors())}
    context, _ = make_context(tmp_path, **parts)
    engine = replace(fake_engine(tmp_path, names=MODEL), contract=InputContract(1, 100, 100))
    given = data(tmp_path, ("person", "dog"))
    metrics = evaluate_model(config(processor="opencv", max_det=1, classes="person"), engine, given, context)
    assert metrics.values["recall"] == 1
    found = json.loads((metrics.path.parent / "predictions.json").read_text())
    assert [row["category_id"] for row in found] == [0, 0]
