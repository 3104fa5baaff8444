"""Files like the official ones become our network, or are refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backends.yolov5.checkpoint import Weights, load, save
from backends.yolov5.config import P5_ANCHORS, scaled
from backends.yolov5.convert_checkpoint import read
from backends.yolov5.errors import CheckpointError
from backends.yolov5.model import YOLOv5
from tests.backends.yolov5.official_files import P5, P5_OLD, P6, write_official


@pytest.mark.parametrize("rows", [P5, P5_OLD, P6], ids=["conv-sppf", "focus-spp", "four-levels"])
def test_reads_what_the_official_code_writes(tmp_path: Path, rows: Any) -> None:
    written = write_official(tmp_path / "best.pt", rows)
    found = read(tmp_path / "best.pt")
    assert (found.config, found.names) == (written.config, written.names)
    assert found.state.keys() == written.state.keys()
    assert all(torch.equal(found.state[name], value) for name, value in written.state.items())
    assert found.variant == "best"


def test_reads_the_files_of_the_pip_package(tmp_path: Path) -> None:
    write_official(tmp_path / "x.pt", P5, package="yolov5.", model_class="models.yolo.DetectionModel")
    assert read(tmp_path / "x.pt").names == ("class0", "class1", "class2")


@pytest.mark.parametrize("names", [[1000, 2, 4.5], {0: 1000, 1: 2, 2: 4.5}])
def test_numbers_as_names_are_text(tmp_path: Path, names: Any) -> None:
    write_official(tmp_path / "x.pt", P5, change=_set("names", names))
    assert read(tmp_path / "x.pt").names == ("1000", "2", "4.5")


def test_takes_the_average_before_the_model(tmp_path: Path) -> None:
    write_official(tmp_path / "x.pt", P5, key="ema")
    assert read(tmp_path / "x.pt").names == ("class0", "class1", "class2")


def test_recognises_the_official_shape(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = scaled(depth=0.33, width=0.25, num_classes=1)
    write_official(tmp_path / "person.pt", P5, Weights(config, "", ("person",), YOLOv5(config).state_dict()))
    assert read(tmp_path / "person.pt").variant == "yolov5n"


def test_own_anchors_survive(tmp_path: Path) -> None:
    torch.manual_seed(0)
    anchors = ((8.0, 8.0, 16.0, 24.0), (32.0, 48.0, 64.0, 64.0), (128.0, 96.0, 256.0, 256.0))
    config = scaled(depth=0.33, width=0.125, num_classes=1, anchors=anchors)
    write_official(tmp_path / "x.pt", P5, Weights(config, "", ("a",), YOLOv5(config).state_dict()))
    assert read(tmp_path / "x.pt").config.anchors == anchors


def _leaky(model: Any) -> None:
    model.model[2].m[0].cv1.act = nn.LeakyReLU(0.1)


def _fused(model: Any) -> None:
    for block in model.modules():
        if hasattr(block, "bn"):
            del block.bn


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        owner, _, name = path.rpartition(".")
        setattr(model.get_submodule(owner), name, value)

    return change


def _diverged(model: Any) -> None:
    model.model[0].conv.weight.data[0, 0, 0, 0] = float("nan")


def _without_last(model: Any) -> None:
    del model.model[24]


def _grouped(model: Any) -> None:
    old = model.model[1].conv
    model.model[1].conv = nn.Conv2d(old.in_channels, old.out_channels, 3, 2, 1, groups=2, bias=False).half()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_leaky, "has the activation 'LeakyReLU', not SiLU"),
        (_fused, "batch normalisation of .* is already fused"),
        (_diverged, "'stem.conv.weight' in .* contains NaN or infinity; the training diverged"),
        (_grouped, r"'stages.0.down.conv.weight' has shape \(16, 4, 3, 3\), expected \(16, 8, 3, 3\)"),
        (_without_last, "its model ends in 'models.common.C3', not in 'Detect'"),
        (_set("model.1.conv.stride", (1, 1)), r"'stages.0.down.conv' in .* has stride \(1, 1\), but a plain YOLO"),
        (_set("model.2.m.0.add", False), "'stages.0.block.blocks.0' in .* has add False"),
        (_set("model.2.cv1.bn.eps", 1e-5), "'stages.0.block.main.bn' in .* has eps 1e-05"),
        (_set("model.9.m.kernel_size", 7), "'stages.3.pool.m' in .* has kernel_size 7"),
        (_set("model.11.mode", "bilinear"), "'Upsample' in .* has mode 'bilinear'"),
        (
            _set("model.16.f", [-1, 2]),
            r"layer 16 .* is 'models.common.Concat' from \[-1, 2\], not Concat from \[-1, 4\]",
        ),
        (_set("model.24.stride", torch.tensor([4.0, 8.0, 16.0])), r"do not have the strides \[8, 16, 32\]"),
        (_set("names", ["only one"]), "does not name its 3 classes"),
        (_set("model.2.f", "nonsense"), "layer 2 .* from 'nonsense'"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_not_plain_is_refused(tmp_path: Path, change: Callable[[Any], None], expected: str) -> None:
    write_official(tmp_path / "x.pt", P5, change=change)
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path / "x.pt")
    assert re.search(expected, f"{caught.value.message}; {caught.value.hint}")


@pytest.mark.parametrize("model_class", ["models.yolo.SegmentationModel", "ultralytics.nn.tasks.DetectionModel"])
def test_other_architectures_are_refused_by_name(tmp_path: Path, model_class: str) -> None:
    write_official(tmp_path / "x.pt", P5, model_class=model_class)
    with pytest.raises(CheckpointError, match=f"contains a '{model_class}', not a YOLOv5 detector"):
        read(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"model": {"weight": torch.zeros(2)}}, "contains a state dict, not a YOLOv5 model"),
        ({"weight": torch.zeros(2)}, "contains a state dict, not a YOLOv5 model"),
        ({"model": None}, "contains a NoneType, not a YOLOv5 model"),
        ([1, 2], "contains a list, not a YOLOv5 model"),
        ({"model": nn.Conv2d(1, 1, 1)}, "contains a 'torch.nn.modules.conv.Conv2d', not a YOLOv5 detector"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: object, expected: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=expected):
        read(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("yolov5n-v7.0.pt", ("yolov5n", 80, False)),
        ("yolov5s-v6.0.pt", ("yolov5s", 80, False)),
        ("yolov5s-focus-cells-2cls.pt", ("yolov5s", 2, True)),
    ],
)
def test_real_files(tmp_path: Path, shared_data: Path, name: str, facts: tuple[str, int, bool]) -> None:
    found = read(shared_data / "weights" / name)
    assert (found.variant, len(found.names), found.config.pool_first) == facts
    assert found.config.anchors == P5_ANCHORS
    save(found, tmp_path / "own.safetensors")
    again = load(tmp_path / "own.safetensors")
    assert (again.config, again.names) == (found.config, found.names)
    assert all(torch.equal(again.state[key], value) for key, value in found.state.items())
