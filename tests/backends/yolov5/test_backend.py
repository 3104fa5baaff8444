"""The family as the stages see it: reads, opens, exports; the library's errors are the user's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from backends.yolov5 import plugin
from backends.yolov5.backend import YOLOv5Backend
from backends.yolov5.config import VARIANTS
from core.errors import HooklineError
from core.kinds.model import ModelFamily
from core.kinds.part import NoOptions
from core.model_facts import DECODED, InputContract
from tests.backends.yolov5.official_files import P5, write_official
from tests.support.yolov5_tools import tiny_checkpoint

FRAMEWORK = frozenset(
    "backend devices facts foreign_onnx head initial_network plugin session training_job training_reports".split()  # noqa: SIM905
)
"""Modules that implement the model family; the others are plain PyTorch."""
IMAGES = np.random.default_rng(0).random((2, 3, 64, 96), dtype=np.float32)


def the_family() -> ModelFamily:
    (family,) = plugin.hookline_models()
    return family


def test_the_descriptor() -> None:
    family = the_family()
    assert (family.name, family.variants) == ("yolov5", VARIANTS)
    assert isinstance(family.load(NoOptions()), YOLOv5Backend)
    assert tuple(family.releases) == VARIANTS
    for name, release in family.releases.items():
        assert release.url == f"https://github.com/ultralytics/yolov5/releases/download/v7.0/{name}.pt"
        assert len(release.sha256) == 64
    assert [name for name, release in family.releases.items() if release.wheel] == ["yolov5s"]


def test_the_plugin_file_is_light() -> None:
    code = "import sys, backends.yolov5.plugin; print(any(m in sys.modules for m in ('torch', 'numpy', 'onnx')))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_the_library_below_is_plain_pytorch(repo_root: Path) -> None:
    """It can be used, and trained, without the framework."""
    folder = repo_root / "backends" / "yolov5"
    paths = [file.relative_to(folder).with_suffix("") for file in sorted(folder.rglob("*.py"))]
    names = [".".join(path.parts) for path in paths if path.name not in FRAMEWORK]
    assert {"model", "convert_checkpoint", "onnx_export", "training.loop", "data.loader"} <= set(names)
    code = f"import sys; [__import__('backends.yolov5.' + name) for name in {names}]; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=repo_root).split()
    light = (
        "errors",
        "masking",
        "model_limits",
        "model_facts",
        "label_classes",
        "artifacts",
        "storage.serial",
        "kinds.training",
    )
    light += ("kinds.training_progress", "options.fields", "options.ranges", "options.training")
    light += ("storage.digest", "files.regular_file", "media.choices")
    plain = {"core", *(f"core.{package}" for package in ("storage", "options", "kinds", "files", "media"))}
    plain |= {f"core.{name}" for name in light}
    assert {name for name in loaded if name.partition(".")[0] == "core"} <= plain


def test_reads_official_and_own(tmp_path: Path) -> None:
    write_official(tmp_path / "best.pt", P5)
    backend = YOLOv5Backend()
    first = backend.read(tmp_path / "best.pt", tmp_path / "first.safetensors")
    assert (first.path, first.facts.family, first.facts.variant) == (tmp_path / "first.safetensors", "yolov5", "best")
    assert (first.facts.strides, first.facts.names) == ((8, 16, 32), ("class0", "class1", "class2"))
    again = backend.read(first.path, tmp_path / "again.safetensors")
    assert again.facts == first.facts
    assert again.path.read_bytes() == first.path.read_bytes()


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(
        HooklineError, match=r"contains a state dict, not a YOLOv5 model; plain YOLOv5 detectors of v5\.0"
    ):
        YOLOv5Backend().read(tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("layout", ["heads", "classic"])
@pytest.mark.parametrize("levels", [3, 4])
def test_the_session(tmp_path: Path, layout: str, levels: int) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors", nc=2, levels=levels)
    images = np.random.default_rng(0).random((2, 3, 64, 128), dtype=np.float32)
    with YOLOv5Backend().open(checkpoint, InputContract(1, 64, 128), layout=layout, device="cpu") as session:
        outputs = session.run(images)
        assert (session.facts, session.layout, session.score_threshold) == (checkpoint.facts, layout, 0.0)
        single = session.run(images[1:])
    if layout == "classic":
        rows = sum(3 * (64 // stride) * (128 // stride) for stride in checkpoint.facts.strides)
        assert {name: value.shape for name, value in outputs.items()} == {"output0": (2, rows, 7)}
    else:
        shapes = {f"p{3 + i}": (2, 21, 64 // s, 128 // s) for i, s in enumerate(checkpoint.facts.strides)}
        assert {name: value.shape for name, value in outputs.items()} == shapes
        assert all(value.min() >= 0 and value.max() <= 1 for value in outputs.values())
    assert all(np.allclose(single[name][0], value[1], atol=1e-3) for name, value in outputs.items())
    with pytest.raises(ValueError, match="closed"):
        session.run(images)


@pytest.mark.parametrize("layout", ["heads", "classic"])
@pytest.mark.parametrize("pixels", [1, 2 * 64 * 96])
def test_a_batch_in_pieces_gives_the_same(
    tmp_path: Path, layout: str, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors", nc=2)
    batches = [
        np.random.default_rng(seed).random((size, 3, 64, 96), np.float32) for seed, size in ((0, 5), (1, 5), (2, 3))
    ]
    with YOLOv5Backend().open(checkpoint, InputContract(1, 64, 96), layout=layout, device="cpu") as session:
        expected = [session.run(images) for images in batches]
    monkeypatch.setattr("backends.yolov5.session.CPU_PIXELS", pixels)
    with YOLOv5Backend().open(checkpoint, InputContract(1, 64, 96), layout=layout, device="cpu") as session:
        for images, whole in zip(batches, expected, strict=True):
            pieces = session.run(images)
            assert all(np.allclose(pieces[name], value, atol=1e-3) for name, value in whole.items())


def test_there_is_no_decoded_layout(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(HooklineError, match="no layout 'decoded'; possible: heads, classic"):
        YOLOv5Backend().open(checkpoint, InputContract(1, 64, 96), layout=DECODED, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_reported(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(HooklineError, match=r"^device=cuda:1.* cannot be used: PyTorch"):
        YOLOv5Backend().open(checkpoint, InputContract(1, 64, 96), layout="heads", device="cuda:1")


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_export_writes_readable_names_and_one_node_an_operation(tmp_path: Path, opset: int) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "x.safetensors")
    contract = InputContract(1, 64, 96)
    YOLOv5Backend().export(checkpoint, tmp_path / "x.onnx", contract=contract, layout="heads", opset=opset)
    model = onnx.load(tmp_path / "x.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}] == [opset]
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Conv", "Sigmoid", "Mul", "Add", "Concat", "MaxPool", "Resize", "Constant"}
    assert model.graph.node[0].name == "/network/stem/conv/Conv"
    assert [output.name for output in model.graph.output] == ["p3", "p4", "p5"]
    with YOLOv5Backend().open(checkpoint, contract, layout="heads", device="cpu") as session:
        expected = session.run(IMAGES[:1])
    found = onnxruntime.InferenceSession(tmp_path / "x.onnx").run(None, {"images": IMAGES[:1]})
    assert all(np.abs(one - two).max() < 1e-4 for one, two in zip(expected.values(), found, strict=True))
