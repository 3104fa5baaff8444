"""From weights to an INT8 engine for cards of other machines, on the command line."""

from __future__ import annotations

import json

import pytest

from tests.support.commands import run_hookline
from tests.support.media_tools import write_pictures
from tests.support.yolov5_tools import tiny_checkpoint

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")

CARDS = "runtimes.tensorrt_rtx.compute_capabilities"
INT8 = ("+stage=build", "precision=int8", "calibrate.source=pictures", f"{CARDS}=[sm86,sm120]")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "pictures", ["0.png", "1.png"], 96, 128)

    def call(name, *overrides):
        fixed = ["backend=tensorrt_rtx", "weights=tiny.safetensors", "imgsz=128", f"hydra.run.dir={name}"]
        result = run_hookline(*fixed, *overrides, cwd=folder)
        written = folder / name / "summary.json"
        stages = json.loads(written.read_text())["stages"] if written.exists() else []
        return result, folder / name, {stage["name"]: stage["status"] for stage in stages}

    return call


def test_engine_with_sidecar_then_from_the_store(run):
    result, folder, _ = run("first", *INT8)
    assert result.returncode == 0, result.stderr
    (engine,) = (folder / "build").glob("*-int8.engine")
    sidecar = json.loads(engine.with_name(f"{engine.name}.json").read_text())
    assert (sidecar["runtime"], sidecar["precision"]) == ("tensorrt_rtx", "int8")
    assert sidecar["machine"]["compute_capabilities"] == "sm86,sm120"
    result, _, stages = run("second", *INT8)
    assert (result.returncode, stages["build"]) == (0, "reused")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("auto", "tensorrt_rtx cannot open engines: no GPU can be used"),
        ("cuda:0", "tensorrt_rtx cannot open engines: no GPU can be used"),
        ("cpu", "backend=tensorrt_rtx works with device=cuda only, but device=cpu is set"),
    ],
)
def test_opening_without_a_card_is_refused_before_anything_runs(run, monkeypatch, device, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where there is one
    result, _, stages = run(f"third-{device}", "+stage=predict", "source=pictures", f"device={device}")
    assert (result.returncode, stages) == (2, {})
    assert message in result.stderr


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_building_needs_none_whatever_the_device(run, monkeypatch, device):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result, _, stages = run(f"built-{device}", "+stage=build", f"device={device}")
    assert (result.returncode, stages["build"] in {"ran", "reused"}) == (0, True), result.stderr


def test_a_missing_card_is_refused_before_anything_runs(run):
    result, _, stages = run("fourth", *INT8[:-1], f"{CARDS}=[sm86,sm85]")
    assert (result.returncode, stages) == (2, {})
    assert "unknown compute capability 'sm85'" in result.stderr
