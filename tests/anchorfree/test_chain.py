"""The family of a plugin through the whole chain, without any change in hookline."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.support.commands import run_python
from tests.support.plugin_tools import install

Run = Callable[..., subprocess.CompletedProcess[str]]
CHAIN = ("train", "export", "calibrate", "quantize", "graft", "build", "predict", "evaluate")
MODEL = ("model=anchorfree_n", "weights=null", "data=toy/toy/data.yaml", "imgsz=96", "device=cpu")
TRAINING = ("train.epochs=16", "train.batch=8", "train.plots=false", "tracker=null", "train.val_every=16")
RTX = "runtimes.tensorrt_rtx.compute_capabilities"
FAMILY_WITHOUT_GRAFT = """
from dataclasses import replace
from hookline import hookimpl
from hookline_anchorfree import plugin

@hookimpl
def hookline_models():
    (family,) = plugin.hookline_models()
    yield replace(family, name="bare", variants=("bare_n",), strides={"bare_n": 32}, grafts=())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run."""
    return tmp_path_factory.mktemp("anchorfree")


@pytest.fixture(scope="module")
def python(folder: Path) -> Run:
    """Python of a user who has installed hookline-anchorfree."""
    paths = [install(["hookline-anchorfree"], folder), folder]
    return partial(run_python, cwd=folder, paths=paths, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def run(python: Run) -> Run:
    """The command line, next to a toy data set."""

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return python("-m", "core.run", *words, **more)

    toy = ("toy.classes=2", "toy.train=200", "toy.val=40", "toy.imgsz=96", "hydra.run.dir=toy")
    done = call("+stage=toy", *toy)
    assert done.returncode == 0, done.stderr
    return call


def finished(run: Run, folder: Path, precision: str) -> Path:
    """Run the chain, and return the folder of the run."""
    options = ("source=toy/toy/images/val", "predict.conf=0.3", "graft.score_threshold=0.001", "calibrate.pictures=40")
    place = folder / precision
    done = run(
        f"+stage=[{','.join(CHAIN)}]", *MODEL, *TRAINING, *options, f"precision={precision}", f"hydra.run.dir={place}"
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def fp32(run: Run, folder: Path) -> Path:
    return finished(run, folder, "fp32")


@pytest.fixture(scope="module")
def int8(run: Run, folder: Path, fp32: Path) -> Path:
    """A run after ``fp32``; it reuses its training."""
    return finished(run, folder, "int8")


def summary(place: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((place / "summary.json").read_text())
    return content


def status(place: Path) -> dict[str, str]:
    return {item["name"]: item["status"] for item in summary(place)["stages"]}


def map50(place: Path, stage: str) -> float:
    return float(summary(place)["metrics"][stage]["map50"])


def boxes(place: Path) -> dict[str, np.ndarray]:
    """Rows of score, class, x1, y1, x2, y2 by image, best first."""
    found: dict[str, list[list[float]]] = {}
    for row in json.loads((place / "predict" / "predictions.json").read_text()):
        x, y, width, height = row["bbox"]
        values = [row["score"], row["category_id"], x, y, x + width, y + height]
        found.setdefault(str(row["image_id"]), []).append(values)
    return {image: np.array(sorted(rows, reverse=True)) for image, rows in found.items()}


def overlap(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(one[2:4], others[:, 2:4]), np.minimum(one[4:6], others[:, 4:6])
    shared = (high - low).clip(0).prod(1)
    areas = [(rows[..., 4:6] - rows[..., 2:4]).prod(-1) for rows in (one, others)]
    return shared / (areas[0] + areas[1] - shared)


def test_it_learns_and_runs_in_float32(fp32: Path) -> None:
    assert all(status(fp32)[name] == "ran" for name in CHAIN)
    assert map50(fp32, "evaluate") > 0.3
    assert map50(fp32, "train") == pytest.approx(map50(fp32, "evaluate"), abs=0.1)  # by PyTorch, not enlarged


def test_it_runs_in_int8_and_finds_the_same(fp32: Path, int8: Path) -> None:
    found = status(int8)
    assert [found[name] for name in ("train", "export", "quantize")] == ["reused", "reused", "ran"]
    assert map50(int8, "evaluate") > map50(fp32, "evaluate") - 0.05
    quantised = onnx.load(next((int8 / "quantize").glob("*.onnx"))).graph.node
    assert sum(node.op_type == "QuantizeLinear" for node in quantised) > 20
    of_int8, matched, count = boxes(int8), 0, 0
    for image, expected in boxes(fp32).items():
        sure = expected[expected[:, 0] > 0.4]  # far enough from predict.conf
        count += len(sure)
        others = of_int8.get(image, np.zeros((0, 6)))
        matched += sum(bool((overlap(row, others)[others[:, 1] == row[1]] > 0.8).any()) for row in sure)
    assert count > 10
    assert matched >= 0.9 * count


def test_its_files_say_how_images_become_input(fp32: Path) -> None:
    engine = next((fp32 / "build").glob("*.json"))
    contract = json.loads(engine.read_text())["contract"]
    wanted = {"padding": "top_left", "pad_value": 114, "channels": "bgr", "scale": 1.0, "offset": 0.0}
    assert {name: contract[name] for name in wanted} == wanted


def test_its_engine_is_opened_by_itself(run: Run, fp32: Path) -> None:
    """In a later run, from the file alone; and the checkpoint in its own framework."""
    engine = next((fp32 / "build").glob("*.json")).with_suffix("")
    for more in (f"weights={engine}", f"weights={fp32}/train/best.safetensors predict.model=checkpoint imgsz=96"):
        done = run("+stage=predict", *more.split(), "source=toy/toy/images/val/000000.jpg", "device=cpu")
        assert done.returncode == 0, done.stderr


def test_it_is_opened_from_python(python: Run, fp32: Path) -> None:
    """The engine and the checkpoint find the same, and what predict found."""
    engine = next((fp32 / "build").glob("*.json")).with_suffix("")
    for model in (engine, fp32 / "train" / "best.safetensors"):
        code = (
            f"import hookline; model = hookline.open({str(model)!r}, imgsz=96)\n"
            "found = model(hookline.read_image('toy/toy/images/val/000000.jpg'), conf=0.3)\n"
            "import json; print(json.dumps([found.boxes.tolist(), found.scores.tolist()]))"
        )
        done = python("-c", code)
        assert done.returncode == 0, done.stderr
        found, scores = map(np.array, json.loads(done.stdout.splitlines()[-1]))
        expected = boxes(fp32).get("0", np.zeros((0, 6)))
        np.testing.assert_allclose(found.reshape(-1, 4), expected[:, 2:], atol=0.5)
        np.testing.assert_allclose(scores, expected[:, 0], atol=0.01)


@pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed")
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_its_plain_decode_builds_with_tensorrt_rtx(run: Run, fp32: Path, precision: str) -> None:
    """TensorRT-RTX builds without a GPU, and refuses operators that it does not have."""
    target = f"weights={fp32}/train/best.safetensors backend=tensorrt_rtx device=auto {RTX}=[sm86]"
    calibration = "calibrate.source=toy/toy/images/val calibrate.pictures=40"
    done = run("+stage=build", *target.split(), *calibration.split(), "imgsz=96", f"precision={precision}")
    assert done.returncode == 0, done.stderr


def test_its_options_are_on_the_command_line(run: Run) -> None:
    done = run("+stage=train", "--help")
    assert "anchorfree" in done.stdout
    assert "center_radius" in done.stdout
    refused = run("+stage=train", *MODEL, "train.mosaic=0.5")
    assert refused.returncode == 2
    assert "train.mosaic" in refused.stderr.splitlines()[-1]


def test_the_graft_of_another_family_is_refused(run: Run) -> None:
    done = run("+stage=[train,build]", *MODEL, "decode=yolo_layer")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "yolo_layer" in last
    assert "anchorfree" in last


def test_a_family_without_a_graft_is_refused_before_anything_runs(run: Run, folder: Path) -> None:
    (folder / "bare_family.py").write_text(FAMILY_WITHOUT_GRAFT)
    options = [item.replace("anchorfree_n", "bare_n") for item in MODEL]
    done = run("+stage=[train,build]", *options, HOOKLINE_PLUGINS="bare_family")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "graft" in last
    assert "'bare'" in last
    assert "Traceback" not in done.stderr
