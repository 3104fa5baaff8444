"""Weights from another checkpoint, as far as they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from backends.yolov5.config import official, scaled
from backends.yolov5.convert_checkpoint import read
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.transfer import transfer
from tests.support.yolov5_tools import tiny_weights

TOTAL = 348
"""Tensors of yolov5n and of yolov5s."""


def network(nc: int, *, seed: int = 1) -> YOLOv5:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return YOLOv5(scaled(depth=0.33, width=0.125, num_classes=nc))


def outputs(weights: Tensor, nc: int) -> Tensor:
    """By anchor: [A, 5+nc, ...]."""
    return weights.view(3, 5 + nc, *weights.shape[1:])


def test_everything_of_the_same_network() -> None:
    weights, model = tiny_weights(nc=3), network(3)
    found = transfer(weights.state, model, weights.names, weights.names)
    assert (found.loaded, found.total, found.left, found.named, found.placed) == (TOTAL, TOTAL, (), 3, 0)
    assert all(torch.equal(tensor, weights.state[name]) for name, tensor in model.state_dict().items())
    assert found.line() == "transferred 348 of 348 tensors, outputs of 3 of 3 classes by name"


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_classes_are_taken_over_by_name(part: str) -> None:
    weights, model = tiny_weights(nc=3), network(2)
    fresh = outputs(model.state_dict()[f"detect.convs.1.{part}"], 2).clone()
    found = transfer(weights.state, model, weights.names, ("kite", "class1"))
    old = outputs(weights.state[f"detect.convs.1.{part}"], 3)
    new = outputs(model.state_dict()[f"detect.convs.1.{part}"], 2)
    assert (found.loaded, found.left, found.named, found.placed, found.classes) == (TOTAL, (), 1, 0, 2)
    assert torch.equal(new[:, :5], old[:, :5])
    assert torch.equal(new[:, 6], old[:, 6])
    assert torch.equal(new[:, 5], fresh[:, 5])


def test_equally_many_classes_move_to_their_names_and_the_others_stay() -> None:
    weights, model = tiny_weights(nc=3), network(3)
    found = transfer(weights.state, model, ("a", "b", "c"), ("b", "kite", "c"))
    old = outputs(weights.state["detect.convs.0.bias"], 3)
    new = outputs(model.state_dict()["detect.convs.0.bias"], 3)
    assert (found.named, found.placed) == (2, 1)
    assert "outputs of 2 of 3 classes by name and of 1 by index" in found.line()
    assert torch.equal(new[:, 5:], old[:, [6, 6, 7]])


@pytest.mark.parametrize(("nc", "placed"), [(3, 3), (2, 0)])
def test_without_names_classes_go_by_place(nc: int, placed: int) -> None:
    found = transfer(tiny_weights(nc=3).state, network(nc))
    assert (found.loaded, found.named, found.placed) == (TOTAL, 0, placed)


def test_another_width_leaves_nearly_everything() -> None:
    model = network(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = transfer(tiny_weights(nc=3, width=0.25).state, model)
    counters = sum(name.endswith("num_batches_tracked") for name in before)
    assert found.loaded == counters
    learned = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(tensor, before[name]) for name, tensor in learned.items())


def test_another_number_of_anchors_leaves_the_outputs() -> None:
    weights = tiny_weights(nc=3)
    state = {name: each[:12] if name.startswith("detect") else each for name, each in weights.state.items()}
    found = transfer(state, network(3), weights.names[:1], weights.names)  # 2 anchors of 5 + 1
    assert [name for name, _, _ in found.left] == [name for name in state if name.startswith("detect")]
    assert (found.named, found.placed) == (0, 0)


def test_tensors_that_do_not_fit_are_reported() -> None:
    state = dict(tiny_weights(nc=3).state)
    state["stem.conv.weight"] = torch.zeros(8, 3, 3, 3)
    del state["stem.bn.bias"]
    found = transfer(state, network(3))
    assert found.left == (("stem.conv.weight", (8, 3, 3, 3), (8, 3, 6, 6)), ("stem.bn.bias", None, (8,)))
    assert found.line().endswith("not transferred: stem.conv.weight (8x3x3x3, not 8x3x6x6), stem.bn.bias (missing)")


def test_half_precision_weights_become_float32() -> None:
    weights, model = tiny_weights(nc=3), network(3)
    transfer({name: each.half() if each.is_floating_point() else each for name, each in weights.state.items()}, model)
    conv = model.stem.conv.weight
    assert conv.dtype == torch.float32
    assert torch.equal(conv, weights.state["stem.conv.weight"].half().float())


@pytest.mark.parametrize(
    ("names", "named"), [(("person",), 1), (("person", "kite", "forklift"), 2), (("forklift",), 0)]
)
def test_official_weights(shared_data: Path, names: tuple[str, ...], named: int) -> None:
    weights = read(shared_data / "weights" / "yolov5n-v7.0.pt")
    model = YOLOv5(official("yolov5n", len(names)))
    found = transfer(weights.state, model, weights.names, names)
    assert (found.loaded, found.total, found.named, found.placed) == (TOTAL, TOTAL, named, 0)


def test_person_alone_answers_as_before(shared_data: Path) -> None:
    weights = read(shared_data / "weights" / "yolov5n-v7.0.pt")
    model = YOLOv5(official("yolov5n", 1))
    transfer(weights.state, model, weights.names, ("person",))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        pairs = list(zip(model.eval()(images), weights.network()(images), strict=True))
    for one, all_of_them in pairs:
        assert torch.allclose(one.view(3, 6, -1), all_of_them.view(3, 85, -1)[:, :6], atol=1e-4)
