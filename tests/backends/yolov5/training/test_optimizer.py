"""Which weights move, and what moves them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.optimizer import accumulation, freeze, make_optimizer
from backends.yolov5.training.options import TrainingOptions
from core.options.training import Optimizer
from tests.support.yolov5_tools import tiny_weights


def network() -> YOLOv5:
    return tiny_weights().network().train().requires_grad_(requires_grad=True)


@pytest.mark.parametrize(("batch", "expected"), [(1, 64), (16, 4), (24, 3), (40, 2), (64, 1), (200, 1)])
def test_accumulation_comes_near_the_nominal_batch(batch: int, expected: int) -> None:
    assert accumulation(TrainingOptions(), batch) == expected


@pytest.mark.parametrize("kind", list(Optimizer))
def test_three_groups_with_every_parameter_once(kind: Optimizer) -> None:
    model = network()
    optimizer = make_optimizer(model, TrainingOptions(optimizer=kind), 64)
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert list(groups) == ["weights", "norms", "biases"]
    found = [id(parameter) for group in groups.values() for parameter in group["params"]]
    assert sorted(found) == sorted(id(parameter) for parameter in model.parameters())
    norms = {id(module.weight) for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    assert {id(parameter) for parameter in groups["norms"]["params"]} == norms
    assert all(parameter.ndim == 4 for parameter in groups["weights"]["params"])
    assert [group["weight_decay"] for group in groups.values()] == [5e-4, 0, 0]


@pytest.mark.parametrize(("batch", "decay"), [(16, 5e-4), (24, 5e-4 * 72 / 64), (128, 1e-3)])
def test_decay_follows_the_effective_batch(batch: int, decay: float) -> None:
    weights = make_optimizer(network(), TrainingOptions(), batch).param_groups[0]
    assert weights["weight_decay"] == pytest.approx(decay)


def test_sgd_moves_as_its_formula() -> None:
    options = TrainingOptions(lr0=0.1, momentum=0.9, weight_decay=0.01)
    model = network()
    weight, norm = model.stem.conv.weight, model.stem.bn.get_parameter("weight")
    optimizer = make_optimizer(model, options, 64)
    velocity = {id(each): torch.zeros_like(each) for each in (weight, norm)}
    for _ in range(2):
        expected = {}
        for parameter, decay in ((weight, 0.01), (norm, 0.0)):
            parameter.grad = torch.randn_like(parameter)
            pull = parameter.grad + decay * parameter.detach()
            velocity[id(parameter)] = 0.9 * velocity[id(parameter)] + pull
            expected[id(parameter)] = parameter.detach() - 0.1 * (pull + 0.9 * velocity[id(parameter)])
        optimizer.step()
        for parameter in (weight, norm):
            assert torch.allclose(parameter, expected[id(parameter)], atol=1e-6)


def test_adam_takes_momentum_as_its_first_beta() -> None:
    optimizer = make_optimizer(network(), TrainingOptions(optimizer=Optimizer.adamw, momentum=0.9), 64)
    assert all(group["betas"] == (0.9, 0.999) for group in optimizer.param_groups)


def test_the_backbone_is_ten_layers() -> None:
    model = network()
    frozen = freeze(model, 10)
    assert frozen == tuple(name for name, _ in model.named_parameters() if name.startswith(("stem", "stages")))
    assert all(parameter.requires_grad != (name in frozen) for name, parameter in model.named_parameters())
    moving = sum(len(group["params"]) for group in make_optimizer(model, TrainingOptions(), 64).param_groups)
    assert moving == len(list(model.parameters())) - len(frozen)


def test_layers_without_weights_count() -> None:
    counts = [len(freeze(network(), count)) for count in (0, 11, 12, 13, 14, 24)]
    assert counts[0] == 0
    assert counts[1] == counts[2] == counts[3] < counts[4]
    assert counts[5] == len(list(network().parameters())) - 6, "all but Detect"


def test_layers_by_name() -> None:
    model = network()
    frozen = freeze(model, ["stem", "stages.1"])
    assert {name.split(".")[0] for name in frozen} == {"stem", "stages"}
    assert not any(name.startswith("stages.0") for name in frozen)


@pytest.mark.parametrize("count", [-1, 25, 99])
def test_too_many_layers(count: int) -> None:
    with pytest.raises(TrainingError, match=f"train.freeze={count}, but the network has 25 layers"):
        freeze(network(), count)


def test_unknown_layer() -> None:
    with pytest.raises(TrainingError, match="no layer 'neck' to freeze") as error:
        freeze(network(), ["neck"])
    assert "stages.0.down" in error.value.hint


def test_nothing_left_to_train() -> None:
    with pytest.raises(TrainingError, match="nothing is left to train"):
        freeze(network(), ["stem", "stages", "top_down", "bottom_up", "detect"])


def test_state_of_an_optimizer_is_taken_up_again() -> None:
    options = dataclasses.replace(TrainingOptions(), optimizer=Optimizer.adam)
    model = network()
    optimizer = make_optimizer(model, options, 16)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    again = make_optimizer(network(), options, 16)
    again.load_state_dict(optimizer.state_dict())
    assert [group["name"] for group in again.param_groups] == ["weights", "norms", "biases"]
    assert again.state[again.param_groups[0]["params"][0]]["step"].item() == 1
