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

from core.artifacts import Checkpoint, Dataset, Metrics
from core.detections import Detections
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from core.model_facts import DECODED
from core.options.model_form import ModelForm
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate import check, hookline_stages, select
from stages.evaluate.config import EvaluateConfig, MultiLabel
from stages.evaluate.evaluating import evaluate_model
from tests.support.dataset_tools import write_dataset
from tests.support.fake_parts import FakeProcessor, detections, fake_engine, fake_parts
from tests.support.media_tools import half_a_jpeg
from tests.support.stage_tools import Memory, make_context

# 100 x 100 pixels: a person at 10..50, 20..60, and in the second picture a dog at 40..80, 40..80 too.
PERSON, DOG = (0, 0.3, 0.4, 0.4, 0.4), (1, 0.6, 0.6, 0.4, 0.4)
LABELS = {"7": [PERSON], "8": [PERSON, DOG], "9": []}
FOUND = [
    detections((10, 20, 50, 60, 0.9, 0)),
    detections((40, 40, 80, 80, 0.8, 1), (10, 20, 50, 60, 0.7, 0)),
    detections((0, 0, 30, 30, 0.3, 1)),
]


def make_config(**changes: Any) -> EvaluateConfig:
    shared: dict[str, Any] = {"conf": None, "iou": None, "max_det": 300, "classes": None, "single_class": False}
    return replace(
        EvaluateConfig(max_pixels=MAX_PIXELS, **shared, imgsz=None, processor="fake", plots=False), **changes
    )


def make_data(folder: Path, **kwargs: Any) -> Dataset:
    file = write_dataset(folder / "set", {"val": LABELS}, size=(100, 100), **kwargs)
    context, _ = make_context(folder / "data")
    return dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)


def run(
    folder: Path, found: list[Detections] = FOUND, config: EvaluateConfig | None = None, **engine: Any
) -> tuple[Metrics, Memory, FakeProcessor]:
    parts, _, processor = fake_parts(found)
    context, memory = make_context(folder, **parts)
    return (
        evaluate_model(config or make_config(), fake_engine(folder, **engine), make_data(folder), context),
        memory,
        processor,
    )


def test_damaged_images_are_used_named_and_counted(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    (tmp_path / "set" / "images" / "val" / "8.png").write_bytes(half_a_jpeg(100, 100))
    parts, _, _ = fake_parts(FOUND)
    context, memory = make_context(tmp_path, **parts)
    metrics = evaluate_model(make_config(), fake_engine(tmp_path), data, context)
    assert metrics.notes == ("1 of 3 images damaged, evaluated all the same: '8.png'",)
    assert list(json.loads(metrics.path.read_text())["damaged"]) == ["8.png"]
    assert any("8.png" in warning and "is damaged" in warning for warning in memory.warnings)


def test_metrics_and_files(tmp_path: Path) -> None:
    metrics, memory, processor = run(tmp_path, config=make_config(plots=True))
    assert metrics.values["map50_95"] == metrics.values["map50"] == pytest.approx(1)
    assert metrics.values["precision"] == metrics.values["recall"] == 1
    assert (metrics.values["pictures"], metrics.values["instances"], metrics.values["confidence"]) == (3, 3, 0.7)
    assert {"read_ms", "prepare_ms", "inference_ms", "detect_ms", "seconds"} < set(metrics.values)
    assert memory.warnings == []
    assert metrics.notes == ()
    (wanted,) = set(processor.filters)
    assert (wanted.conf, wanted.iou, wanted.max_det, wanted.multi_label) == (0.001, 0.6, 300, False)
    content = json.loads(metrics.path.read_text())
    assert content["values"] == metrics.values
    assert [row["name"] for row in content["classes"]] == ["person", "dog"]
    assert content["model"]["type"] == "Engine"
    assert content["protocol"]["iou"] == 0.6
    assert {path.name for path in metrics.path.parent.iterdir()} == {
        "metrics.json",
        "ground_truth.json",
        "predictions.json",
        *(f"{name}_curve.png" for name in ("PR", "P", "R", "F1")),
        "confusion_matrix.png",
        "val_predictions_1.jpg",
    }


def test_without_plots(tmp_path: Path) -> None:
    metrics, _, _ = run(tmp_path, config=make_config())
    assert {path.suffix for path in metrics.path.parent.iterdir()} == {".json"}


def test_the_files_give_the_same_with_pycocotools_alone(tmp_path: Path) -> None:
    moved = [detections((12, 22, 50, 60, 0.9, 0)), FOUND[2], detections()]
    metrics, _, _ = run(tmp_path, moved)
    folder = metrics.path.parent
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "ground_truth.json"))
        judge = COCOeval(truth, truth.loadRes(str(folder / "predictions.json")), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert 0 < metrics.values["map50_95"] == judge.stats[0] < 1
    assert metrics.values["map50"] == judge.stats[1]
    assert sorted(truth.getImgIds()) == [7, 8, 9]


def test_rectangular(tmp_path: Path) -> None:
    config = make_config(rectangular=True, upscale=False, batch=2)
    metrics, memory, processor = run(tmp_path, config=config, dynamic=("height", "width"))
    shapes = [(contract.height, contract.width) for contract, _, _ in processor.prepared]
    assert shapes == [(64, 64)] * 3  # the warm-up and two batches
    assert {(fit, upscale) for _, fit, upscale in processor.prepared} == {((32, 32), False)}
    assert metrics.values["map50"] == pytest.approx(1)
    protocol = json.loads(metrics.path.read_text())["protocol"]
    assert (protocol["rectangular"], protocol["upscale"]) == (True, False)
    assert memory.steps == 3


def test_rectangular_needs_a_model_of_any_size(tmp_path: Path) -> None:
    with pytest.raises(HooklineError, match=r"input size of this model is 32x32; export it with export.dynamic"):
        run(tmp_path, config=make_config(rectangular=True))


def test_table(tmp_path: Path) -> None:
    metrics, memory, _ = run(tmp_path)
    table, cost, speed = metrics.report
    assert memory.notes == []  # the run prints the report, also of a stored result
    assert [line.split() for line in table.splitlines()[:4]] == [
        ["Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95"],
        ["all", "3", "3", "1.000", "1.000", "1.000", "1.000"],
        ["person", "2", "2", "1.000", "1.000", "1.000", "1.000"],
        ["dog", "1", "1", "1.000", "1.000", "1.000", "1.000"],
    ]
    assert len({len(line) for line in table.splitlines()[:4]}) == 1
    assert "confidence 0.700" in table
    assert "have no objects" not in table
    assert "was not measured" in cost
    assert speed.startswith("ms per image: read ")
    assert "3 images in" in speed


def test_class_without_objects_is_reported(tmp_path: Path) -> None:
    parts, _, _ = fake_parts(FOUND)
    context, _ = make_context(tmp_path, **parts)
    data = make_data(tmp_path, names=("person", "dog", "cat"))
    metrics = evaluate_model(make_config(), fake_engine(tmp_path, names=("person", "dog", "cat")), data, context)
    assert "1 more class without objects" in metrics.report[0]


def test_other_number_of_classes(tmp_path: Path) -> None:
    parts, runtime, _ = fake_parts(FOUND)
    context, _ = make_context(tmp_path, **parts)
    with pytest.raises(HooklineError, match=r"has 1 class \(person\), the data set 2 classes.*single_class=true"):
        evaluate_model(make_config(), fake_engine(tmp_path, names=("person",)), make_data(tmp_path), context)
    assert runtime.sessions == []


def test_all_classes_as_one(tmp_path: Path) -> None:
    found = [[(*box, 0.9, 0) for box in boxes] for boxes in ([(10, 20, 50, 60)], [(40, 40, 80, 80), (10, 20, 50, 60)])]
    metrics, memory, _ = run(
        tmp_path,
        [*(detections(*boxes) for boxes in found), detections()],
        make_config(single_class=True, plots=True),
        names=("object",),
    )
    assert memory.warnings == []
    assert metrics.values["map50_95"] == pytest.approx(1)
    assert metrics.values["instances"] == 3
    written = json.loads(metrics.path.read_text())
    assert written["protocol"]["single_class"] is True


def test_some_classes_as_one(tmp_path: Path) -> None:
    metrics, _, processor = run(tmp_path, config=make_config(single_class=True, classes="person"), names=("object",))
    assert metrics.values["instances"] == 2
    assert processor.filters[0].classes == ()


def test_other_names_warn(tmp_path: Path) -> None:
    metrics, memory, _ = run(tmp_path, names=("pedestrian", "dog"))
    assert "'pedestrian' and 'person'" in memory.warnings[0]
    assert metrics.values["map50"] == pytest.approx(1)


def test_truncated_curve_warns(tmp_path: Path) -> None:
    metrics, memory, _ = run(tmp_path, score_threshold=0.25)
    assert "drops boxes below its score threshold 0.25" in memory.warnings[0]
    assert "set graft.score_threshold=0.001" in memory.warnings[0]
    assert metrics.notes == tuple(memory.warnings) == tuple(json.loads(metrics.path.read_text())["notes"])


def test_threshold_at_conf_does_not_warn(tmp_path: Path) -> None:
    _, memory, _ = run(tmp_path, config=make_config(conf=0.25), score_threshold=0.25)
    assert memory.warnings == []


@pytest.mark.parametrize(
    ("layout", "choice", "multi_label"),
    [
        (DECODED, MultiLabel.auto, False),
        ("heads", MultiLabel.auto, True),
        ("classic", MultiLabel.auto, True),
        ("heads", MultiLabel.best, False),
        ("heads", MultiLabel.all, True),
    ],
)
def test_multi_label(tmp_path: Path, layout: str, choice: MultiLabel, multi_label: bool) -> None:
    _, _, processor = run(tmp_path, config=make_config(multi_label=choice), layout=layout)
    assert {wanted.multi_label for wanted in processor.filters} == {multi_label}


def test_all_classes_of_a_decoded_model_are_gone(tmp_path: Path) -> None:
    with pytest.raises(HooklineError, match=r"needs the scores of all classes.*evaluate.model=quantized"):
        run(tmp_path, config=make_config(multi_label=MultiLabel.all))


def test_only_some_classes(tmp_path: Path) -> None:
    metrics, _, processor = run(tmp_path, config=make_config(classes="dog"))
    assert processor.filters[0].classes == (1,)
    assert metrics.values["instances"] == 1


def test_split_without_objects(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": []}})
    parts, runtime, _ = fake_parts([])
    context, _ = make_context(tmp_path, **parts)
    data = dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)
    with pytest.raises(HooklineError, match="split 'val' has no labelled objects: there is nothing to measure"):
        evaluate_model(make_config(), fake_engine(tmp_path), data, context)
    with pytest.raises(HooklineError, match="unknown split 'test'"):
        evaluate_model(make_config(split="test"), fake_engine(tmp_path), data, context)
    assert runtime.sessions == []


def test_check() -> None:
    assert list(check(make_config())) == []


def test_stage_takes_any_model() -> None:
    (stage,) = hookline_stages()
    data, model, heads = stage.signature.inputs
    assert heads.optional
    assert len(model.types) == 5
    assert data.types == (Dataset,)
    assert stage.signature.provides == (Metrics,)
    assert set(select(make_config(model=ModelForm.checkpoint))) == {Checkpoint}
