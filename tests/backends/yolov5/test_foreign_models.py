"""Models of other kinds are refused by name, with the way on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from backends.yolov5.convert_checkpoint import read
from backends.yolov5.errors import CheckpointError
from backends.yolov5.facts import recognise
from backends.yolov5.foreign_models import WAY_ON, name_checkpoint
from core.errors import HooklineError
from core.kinds.head import Shape
from core.model_facts import InputContract
from core.storage.metadata import OnnxSignature
from tests.backends.yolov5.official_files import P5, write_official

NAMES = {"stride": "32", "names": "{0: 'a', 1: 'b', 2: 'c'}"}
ANCHOR_FREE = r"an anchor-free detector \(YOLOv5u, YOLOv8 or later\)"


def signature(outputs: list[Shape], metadata: dict[str, str]) -> OnnxSignature:
    contract = InputContract(batch=1, height=640, width=640)
    return OnnxSignature("x", contract, {f"output{index}": shape for index, shape in enumerate(outputs)}, metadata)


@pytest.mark.parametrize(
    ("outputs", "metadata", "kind"),
    [
        ([(1, 7, 8400)], NAMES, ANCHOR_FREE),
        (["batch", 7, "anchors"], NAMES, ANCHOR_FREE),
        ([(1, 7, 8400)], {}, ANCHOR_FREE),
        ([(1, 300, 6)], NAMES, "NMS in the graph"),
        ([(1, 39, 8400), (1, 32, 160, 160)], NAMES | {"task": "segment"}, "a segmentation model"),
        ([(1, 25200, 40), (1, 32, 160, 160)], NAMES, "a segmentation model"),
        ([(1, 56, 8400)], NAMES | {"task": "pose"}, "a pose model"),
        ([(1, 3)], NAMES, "a classifier"),
        ([(1, 3, 80, 80, 8), (1, 3, 40, 40, 8), (1, 3, 20, 20, 8)], NAMES, "without the decode of its boxes"),
        ([(1, 1), (1, 100, 4), (1, 100), (1, 100)], {}, "NMS in the graph"),
    ],
)
def test_onnx_files(outputs: list[Shape], metadata: dict[str, str], kind: str) -> None:
    shapes = [tuple(outputs)] if isinstance(outputs[0], str) else outputs
    with pytest.raises(HooklineError, match=rf"'x.onnx' is .*{kind}.*, not a YOLOv5 detector; {WAY_ON[:30]}"):
        recognise(signature(shapes, metadata))


@pytest.mark.parametrize("rows", [25200, "boxes"])
def test_a_yolov5_is_none_of_them(rows: int | str) -> None:
    assert recognise(signature([(1, rows, 8)], NAMES)) is not None


@pytest.mark.parametrize("outputs", [[(1, 300, 80), (1, 300, 4)], [(1, 3, 640, 640)]])
def test_unknown_outputs_are_left_to_other_families(outputs: list[Shape]) -> None:
    assert recognise(signature(outputs, {})) is None


@pytest.mark.parametrize(
    ("model_class", "kind"),
    [
        ("ultralytics.nn.tasks.DetectionModel", f"it is {ANCHOR_FREE} of the package ultralytics"),
        ("ultralytics.nn.tasks.PoseModel", "it is a pose model of the package ultralytics"),
        ("models.yolo.SegmentationModel", "it is a segmentation model of YOLOv5"),
        ("models.yolo.ClassificationModel", "it is a classifier of YOLOv5"),
    ],
)
def test_checkpoints(tmp_path: Path, model_class: str, kind: str) -> None:
    write_official(tmp_path / "x.pt", P5, model_class=model_class)
    with pytest.raises(CheckpointError, match=f"contains a '{model_class}', not a YOLOv5 detector: {kind}") as caught:
        read(tmp_path / "x.pt")
    assert caught.value.hint == WAY_ON


def test_other_classes_have_no_name() -> None:
    assert [name_checkpoint(name) for name in ("models.yolo.DetectionModel", "my.Net", "x")] == ["", "", ""]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
        (b"<!DOCTYPE html><html>", "a web page, e.g. of a failed download"),
        (b"<net name='x'/>", "an OpenVINO model"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"is {kind}, not a PyTorch checkpoint"):
        read(tmp_path / "x.pt")


def test_a_torchscript_program_is_named_before_its_compressed_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/a.py"):
            archive.writestr(name, b"0" * 100)
    with pytest.raises(CheckpointError, match="is a TorchScript program, not a checkpoint"):
        read(tmp_path / "x.pt")
