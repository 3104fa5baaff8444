"""The main job by its commands, on a small random model: nothing here is faked but the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.support.commands import run_hookline
from tests.support.dataset_tools import write_dataset
from tests.support.media_tools import make_picture, write_pictures, write_video
from tests.support.yolov5_tools import tiny_checkpoint

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, images, a video and a labelled data set."""
    folder = tmp_path_factory.mktemp("job")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "pictures", [f"{number}.png" for number in range(8)], 96, 128)
    write_video(folder / "street.mp4", [make_picture(96, 128, seed) for seed in range(12)])
    rows = {str(number): [(0, 0.5, 0.5, 0.5, 0.5)] for number in range(4)}
    names = ("class0", "class1", "class2")
    write_dataset(folder / "data", {"train": rows, "val": rows}, names, size=(128, 96))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run the command line; return the summary with ``folder`` and ``log`` added."""

    def call(name: str, *overrides: str, code: int = 0) -> dict[str, Any]:
        fixed = ["weights=tiny.safetensors", "imgsz=128", f"hydra.run.dir=runs/{name}"]
        result = run_hookline(*fixed, *overrides, cwd=folder)
        assert result.returncode == code, result.stderr
        summary: dict[str, Any] = json.loads((folder / "runs" / name / "summary.json").read_text())
        return summary | {"folder": folder / "runs" / name, "log": result.stderr}

    return call


def stages(summary: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["status"] for stage in summary["stages"]}


INT8 = ("precision=int8", "calibrate.source=pictures")


def test_build_int8_then_everything_from_the_store(run: Run) -> None:
    first = run("int8", "+stage=build", *INT8)
    assert list(stages(first)) == ["load", "export", "calibrate", "quantize", "graft", "build"]
    sidecar = json.loads(next((first["folder"] / "build").glob("*.onnx.json")).read_text())
    assert (sidecar["artifact"], sidecar["precision"], sidecar["runtime"]) == ("Engine", "int8", "onnxruntime")
    assert sidecar["contract"]["height"] == 128
    assert sidecar["machine"]
    assert set(stages(run("int8-again", "+stage=build", *INT8)).values()) == {"reused"}


def test_predict_on_pictures_and_video_with_one_engine(run: Run) -> None:
    pictures = run("pictures", "+stage=predict", *INT8, "source=pictures")
    assert pictures["metrics"]["predict"]["frames"] == 8
    assert len(list((pictures["folder"] / "predict").glob("*.png"))) == 8
    video = run("video", "+stage=predict", *INT8, "source=street.mp4", "conf=0.3")
    assert video["metrics"]["predict"]["frames"] == 12
    assert (video["folder"] / "predict" / "street.mp4").stat().st_size > 0
    assert stages(video)["build"] == "reused"


def test_evaluate_any_artifact(run: Run) -> None:
    data = ("+stage=evaluate", "data=data/data.yaml")
    values = {
        form: run(f"evaluate-{form}", *data, f"evaluate.model={form}")["metrics"]["evaluate"]
        for form in ("checkpoint", "heads", "quantized", "grafted", "engine")
    }
    assert values["checkpoint"]["map50_95"] == pytest.approx(values["heads"]["map50_95"], abs=1e-6)
    assert values["grafted"]["map50_95"] == pytest.approx(values["engine"]["map50_95"], abs=1e-6)


def test_engine_threshold_that_truncates_the_curve_is_reported(run: Run) -> None:
    summary = run("truncated", "+stage=evaluate", "data=data/data.yaml")
    assert any("graft.score_threshold" in warning for warning in summary["warnings"])


def test_engine_file_is_taken_as_weights_and_compared(run: Run, folder: Path) -> None:
    run("fp32", "+stage=build")
    reference = next((folder / "runs" / "fp32" / "build").glob("*.onnx")).relative_to(folder)
    same = run(
        "same", "+stage=compare", f"weights={reference}", f"compare.reference={reference}", "source=pictures",
        "compare.inferences=4",
    )  # fmt: skip
    assert stages(same) == {"load": "ran", "compare": "ran"}
    assert same["metrics"]["compare"]["f1"] == 1.0


def test_sweep_writes_a_summary_a_job(run: Run, folder: Path) -> None:
    words = ["-m", "+stage=build", "weights=tiny.safetensors", "imgsz=128"]
    sweep = ["precision=fp32,fp16", "decode=yolo_layer,onnx", "hydra.sweep.dir=sweep"]
    run_hookline(*words, *sweep, cwd=folder).check_returncode()
    summaries = [json.loads(path.read_text()) for path in folder.glob("sweep/*/summary.json")]
    assert [summary["status"] for summary in summaries] == ["finished"] * 4


def test_jobs_with_the_same_engine_measure_it_once(folder: Path) -> None:
    """What the evaluation prints, it prints in both jobs."""
    words = ["-m", "+stage=evaluate", "weights=tiny.safetensors", "imgsz=128"]
    sweep = ["data=data/data.yaml", "calibrator=minmax,entropy", "evaluate.conf=0.002", "hydra.sweep.dir=same"]
    done = run_hookline(*words, *sweep, cwd=folder)
    done.check_returncode()
    first, second = (json.loads((folder / "same" / job / "summary.json").read_text()) for job in "01")
    assert (stages(first)["evaluate"], stages(second)["evaluate"]) == ("ran", "reused")
    assert first["metrics"] == second["metrics"]
    assert len(list(folder.glob("same/*/evaluate/PR_curve.png"))) == 2
    assert done.stdout.count("Class ") == done.stdout.count("ms per image: read") == 2


def test_a_laptop_writes_the_model_that_tensorrt_builds(run: Run) -> None:
    summary = run("tensorrt", "+stage=graft", "backend=tensorrt", *INT8)
    model = onnx.load(next((summary["folder"] / "graft").glob("*.onnx")))
    (node,) = [node for node in model.graph.node if node.op_type == "YoloLayer_TRT"]
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    assert (attributes["plugin_namespace"], attributes["plugin_version"]) == (b"hookline", b"1")
    zeros = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer if "zero" in item.name}
    assert zeros
    assert all(value.dtype == "int8" and not value.any() for value in zeros.values())


def test_calibration_without_pictures_is_refused_before_anything_runs(run: Run, folder: Path) -> None:
    (folder / "empty").mkdir()
    result = run_hookline("+stage=build", "precision=int8", "calibrate.source=empty", cwd=folder)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: no images or video in folder 'empty'; supported: images such as .jpg")
