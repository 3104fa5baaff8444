"""Options of stages outside the plan are reported, those that the plan follows are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.planning.option_checks import unused_options
from core.planning.planner import make_plan
from tests.support.runs import Program, plugins
from tests.support.yolov5_tools import tiny_checkpoint

NOT_PLANNED = "has no effect: stage '{}' is not part of this plan"


def unused(folder: Path, *given: str) -> list[str]:
    """The lines of a run with ``given``."""
    weights = tiny_checkpoint(folder / "tiny.safetensors").path
    overrides = ["backend=onnxruntime", "processor=opencv", f"weights={weights}", *given]
    request, context, _ = Program(folder).prepare(*overrides)
    return unused_options(overrides, make_plan(request.stages, request.configs, context), plugins().registry)


@pytest.mark.parametrize(
    ("given", "option", "stage"),
    [
        ("train.epochs=3", "train.epochs", "train"),
        ("++train.epochs=3", "train.epochs", "train"),
        ("predict.draw=false", "predict.draw", "predict"),
        ("calibrate.batch=4", "calibrate.batch", "calibrate"),
        ("calibrate={batch: 4}", "calibrate", "calibrate"),
        ("build.warmup=1", "build.warmup", "build"),
        ("graft.score_threshold=0.5", "graft.score_threshold", "graft"),
    ],
)
def test_an_option_of_a_stage_outside_the_plan_is_reported(tmp_path: Path, given: str, option: str, stage: str) -> None:
    assert unused(tmp_path, "+stage=export", given) == [f"{option} {NOT_PLANNED.format(stage)}"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("runtimes.tensorrt.int8=calibrator", "backend 'tensorrt'"),
        ("calibrators.entropy.bins=512", "calibrator 'entropy'"),
        ("calibrators.percentile.bins=512", "calibrator 'percentile'"),  # float32 needs none
    ],
)
def test_an_option_of_a_part_that_no_stage_uses_is_reported(tmp_path: Path, given: str, part: str) -> None:
    option = given.partition("=")[0]
    line = f"{option} has no effect: no stage of this plan uses the {part}"
    assert unused(tmp_path, "+stage=build", "precision=fp32", given) == [line]


@pytest.mark.parametrize(
    "given",
    ["runtimes.onnxruntime.spin=20", "calibrators.percentile.bins=512"],
)
def test_an_option_of_a_part_that_a_stage_uses_is_not_reported(tmp_path: Path, given: str) -> None:
    assert unused(tmp_path, "+stage=build", "precision=int8", "calibrate.source=.", given) == []


def test_an_option_of_a_graft_that_auto_may_mean_is_not_reported(tmp_path: Path) -> None:
    option = "grafts.yolo_layer.namespace"
    line = f"{option} has no effect: no stage of this plan uses the graft 'yolo_layer'"
    for decode, lines in (("auto", []), ("yolo_layer", []), ("onnx", [line])):
        folder = tmp_path / decode
        folder.mkdir()
        assert unused(folder, "+stage=graft", f"decode={decode}", f"{option}=acme") == lines


def test_options_of_a_runtime_that_may_open_a_given_engine_are_not_reported(tmp_path: Path) -> None:
    assert unused(tmp_path, "+stage=export", "runtimes.tensorrt.graphs=false") == []


def test_each_option_is_reported_once(tmp_path: Path) -> None:
    lines = unused(tmp_path, "+stage=export", "train.epochs=3", "train.batch=2", "train.epochs=4")
    assert lines == [f"train.epochs {NOT_PLANNED.format('train')}", f"train.batch {NOT_PLANNED.format('train')}"]


@pytest.mark.parametrize(
    "given",
    [
        "build.warmup=1",  # asked for
        "graft.score_threshold=0.001",  # added by the plan
        "calibrate.source=street.mp4",  # build.source follows it
        "calibrate.pictures=3",
        "calibrate={source: street.mp4}",
        "imgsz=64",
        "seed=3",
        "tracker=[csv]",
    ],
)
def test_an_option_with_an_effect_is_not_reported(tmp_path: Path, given: str) -> None:
    assert unused(tmp_path, "+stage=build", given) == []


@pytest.mark.parametrize(
    "given",
    [
        "model=yolov5m",
        "source=street.mp4",
        "data=my.yaml",
        "classes=[1]",
        "precision=int8",
        "decode=onnx",
        "conf=0.5",
    ],
)
def test_a_top_level_option_that_no_stage_of_the_plan_reads_is_reported(tmp_path: Path, given: str) -> None:
    word = given.partition("=")[0]
    lines = unused(tmp_path, "+stage=export", given)
    assert lines == [f"{word} has no effect: no stage of this plan uses it"]


def test_a_model_without_weights_names_the_weights(tmp_path: Path) -> None:
    overrides = ["+stage=export", "model=yolov5n"]
    request, context, _ = Program(tmp_path).prepare(*overrides)
    assert unused_options(overrides, make_plan(request.stages, request.configs, context), plugins().registry) == []


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        ("build.warmup=${calibrate.batch}", []),
        ("build.warmup=2", [f"calibrate.batch {NOT_PLANNED.format('calibrate')}"]),
    ],
)
def test_an_option_that_another_override_refers_to_is_not_reported(
    tmp_path: Path, other: str, lines: list[str]
) -> None:
    assert unused(tmp_path, "+stage=build", "calibrate.batch=2", other) == lines
