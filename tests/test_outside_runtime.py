"""A runtime and a quantizer of a third party (tests/plugins/hookline-chip), by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.support.commands import run_hookline
from tests.support.media_tools import write_pictures
from tests.support.yolov5_tools import tiny_checkpoint

PACKAGE = Path(__file__).parent / "plugins" / "hookline-chip"
INT8 = ("backend=chip", "precision=int8", "calibrate.source=pictures")


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    said: str
    folder: Path
    stages: dict[str, str]

    def graph(self) -> onnx.GraphProto:
        """What the stage quantize wrote."""
        (path,) = (self.folder / "quantize").glob("*.onnx")
        return onnx.load(path).graph


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("job")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "pictures", ["0.png", "1.png"], 96, 128)
    count = iter(range(100))

    def call(*overrides: str) -> Done:
        where = folder / f"run{next(count)}"
        fixed = ["imgsz=128", f"hydra.run.dir={where}"]
        given = () if any(item.startswith("weights=") for item in overrides) else ("weights=tiny.safetensors",)
        words = [*fixed, *given, *overrides]
        result = run_hookline(*words, cwd=folder, paths=[PACKAGE], HOOKLINE_PLUGINS="hookline_chip.plugin")
        written = where / "summary.json"
        stages: list[dict[str, Any]] = json.loads(written.read_text())["stages"] if written.exists() else []
        return Done(result.returncode, result.stderr, where, {stage["name"]: stage["status"] for stage in stages})

    return call


def test_from_weights_to_boxes_by_its_own_rules(run: Run) -> None:
    done = run("+stage=[quantize,build,predict]", *INT8, "source=pictures")
    assert done.code == 0, done.said
    assert "records activations: onnxruntime" in done.said
    nodes = done.graph().node
    assert {node.op_type for node in nodes} >= {"QuantizeLinear", "DequantizeLinear"}
    assert not [node for node in nodes if node.op_type == "DequantizeLinear" and node.attribute]  # one scale per tensor
    (engine,) = (done.folder / "build").glob("*-int8.chip")
    sidecar = json.loads(engine.with_name(f"{engine.name}.json").read_text())
    assert (sidecar["runtime"], sidecar["precision"]) == ("chip", "int8")
    assert (done.folder / "predict" / "predictions.json").exists()
    assert (
        "$HOOKLINE_PLUGINS hookline_chip.plugin" in json.loads((done.folder / "summary.json").read_text())["versions"]
    )
    again = run("+stage=predict", f"weights={engine}", "source=pictures")
    assert (again.code, again.stages) == (0, {"load": "ran", "predict": "ran"}), again.said
    on_gpu = run("+stage=predict", f"weights={engine}", "source=pictures", "device=cuda")
    assert (on_gpu.code, on_gpu.stages) == (2, {}), on_gpu.said
    expected = f"chip, which opens '{engine.name}', works with device=cpu only, but device=cuda is set; set device=auto"
    assert expected in on_gpu.said


def test_another_quantizer_is_part_of_the_key(run: Run) -> None:
    first = run("+stage=quantize", *INT8, "quantizer=input_only")
    assert first.code == 0, first.said
    assert [node.op_type for node in first.graph().node].count("QuantizeLinear") == 1
    same = run("+stage=quantize", *INT8, "quantizer=input_only")
    wider = run("+stage=quantize", *INT8, "quantizer=input_only", "quantizers.input_only.headroom=1.5")
    assert [done.stages["quantize"] for done in (first, same, wider)] == ["ran", "reused", "ran"]
    assert wider.stages["calibrate"] == "reused"


def test_what_is_refused_before_anything_runs(run: Run) -> None:
    for options, expected in (
        (("backend=bare_chip", "precision=int8"), "backend=bare_chip has no rules for Q/DQ pairs (Runtime.qdq)"),
        (("backend=chip", "build.batch=2"), "chip does not support build.batch; remove it, or set backend=tensorrt"),
        (("backend=chip", "precision=fp16", "runtimes.chip.threads=2"), "the chip computes float16 on one thread"),
        (("backend=chip", "precision=fp16", "quantizer=input_only"), "input_only does not support precision=fp16"),
        (
            ("backend=chip", "calibrate.runtime=chip", "precision=int8"),
            "'chip' cannot be used: a stage needs one that records activations",
        ),
        (("quantizer=input",), "unknown quantizer 'input'; did you mean input_only?"),
        (("quantizers.input_only.headroom=3",), "quantizers.input_only.headroom=3.0 is out of range"),
        (("build.int8=calibrator",), "'build.int8' is now 'runtimes.tensorrt.int8'; write runtimes.tensorrt.int8="),
    ):
        done = run("+stage=build", *options)
        assert (done.code, done.stages) == (2, {}), done.said
        assert expected in done.said


def test_an_engine_of_it_without_a_sidecar(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lost.chip").write_bytes(b"engine")
    done = run("+stage=predict", f"weights={tmp_path / 'lost.chip'}", "source=pictures")
    assert (done.code, "has no sidecar 'lost.chip.json'" in done.said) == (2, True), done.said
