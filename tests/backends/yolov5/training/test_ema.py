"""The moving average against its formula."""

from __future__ import annotations

import math

import torch

from backends.yolov5.model import YOLOv5
from backends.yolov5.training.optimizer import EMA
from tests.support.yolov5_tools import tiny_weights


def network() -> YOLOv5:
    return tiny_weights().network().train().requires_grad_(requires_grad=True)


@torch.no_grad()
def stir(model: YOLOv5, seed: int) -> None:
    """Move every weight and every statistic."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator))
        else:
            tensor.add_(1)


def test_starts_as_the_model_and_apart_from_it() -> None:
    model = network()
    ema = EMA(model)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in ema.model.state_dict().items())
    stir(model, 0)
    assert not torch.equal(ema.model.stem.conv.weight, model.stem.conv.weight)
    assert not ema.model.training
    assert model.training
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_follows_its_formula() -> None:
    model = network()
    ema = EMA(model)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    for update in range(1, 6):
        stir(model, update)
        ema.update(model)
        decay = 0.9999 * (1 - math.exp(-update / 2000))
        for name, value in model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    assert ema.updates == 5
    for name, value in ema.model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)
        else:
            assert value.item() == model.state_dict()[name].item()


def test_continues_from_a_state() -> None:
    model = network()
    ema = EMA(model)
    stir(model, 1)
    ema.update(model)
    again = EMA(network())
    again.load({name: value.clone() for name, value in ema.model.state_dict().items()}, ema.updates)
    stir(model, 2)
    for each in (ema, again):
        each.update(model)
    assert again.updates == 2
    assert all(torch.equal(value, again.model.state_dict()[name]) for name, value in ema.model.state_dict().items())
