"""The loop updates the weights as a few lines of plain PyTorch do, and orders images as the hyperparameters require."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.loop import Loop
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.options import TrainingOptions
from core.options.training import Amp
from tests.backends.yolov5.training_tools import TINY, RandomBatches, hyperparameters, largest_difference, tiny_network

HERE = Distributed(0, 1, torch.device("cpu"))
WARM = TrainingOptions(nominal_batch=8, warmup_epochs=2.0, warmup_bias_lr=0.02, lrf=0.1, weight_decay=0.01, clip=4.0)
TAU = 10
"""Of the moving average: a few steps tell it from the weights."""


def loop_of(batches, network=None, **changes):
    return Loop(network or tiny_network(), hyperparameters(**{"channels_last": False, **changes}), batches, HERE)


def exact_network():
    """In float64: how a processor adds up does not show, and a hyperparameters that differs does."""
    network = tiny_network().double()
    network.register_forward_pre_hook(lambda _module, inputs: tuple(each.double() for each in inputs))
    return network


def ignored(_images, _losses):
    """Nobody watches."""


@dataclass
class ByHand:
    """SGD for batches of 2 and a nominal batch of 8, after a warm-up of 10 batches, with its formulas written out."""

    options: TrainingOptions
    epochs: int
    network: nn.Module = field(default_factory=lambda: exact_network().train())
    norms: list[float] = field(default_factory=list)

    def __post_init__(self):
        named = list(self.network.named_parameters())
        self.biases = {"params": [each for name, each in named if name.endswith("bias")]}
        norms = {"params": [each for name, each in named if each.ndim == 1 and name.endswith("weight")]}
        weights = {"params": [each for _, each in named if each.ndim == 4], "weight_decay": self.options.weight_decay}
        groups = [weights, norms, self.biases]
        self.optimizer = torch.optim.SGD(groups, lr=1.0, momentum=self.options.momentum, nesterov=True)
        self.averaged = copy.deepcopy(self.network.state_dict())
        self.loss = DetectionLoss(TINY, TrainingOptions(), 64)

    def train(self, batches):
        waiting = 0
        for epoch in range(self.epochs):
            for number, batch in enumerate(batches.epoch(epoch, {})):
                warm = min((epoch * len(batches) + number) / 10, 1)
                self.set_rates(warm, epoch)
                self.loss(self.network(batch.images / 255), batch.targets)[0].backward()
                waiting += 1
                if waiting >= round(1 + warm * 3) or number + 1 == len(batches):
                    self.step()
                    waiting = 0

    def set_rates(self, warm, epoch):
        rate = self.options.lr0 * (1 + (self.options.lrf - 1) * epoch / self.epochs)
        for group, start in zip(self.optimizer.param_groups, (0, 0, self.options.warmup_bias_lr), strict=True):
            group["lr"] = start + warm * (rate - start)
            group["momentum"] = 0.8 + warm * (self.options.momentum - 0.8)

    def step(self):
        self.norms.append(float(nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)))
        self.optimizer.step()
        self.optimizer.zero_grad()
        share = 1 - 0.9999 * (1 - math.exp(-len(self.norms) / TAU))
        for name, new in self.network.state_dict().items():
            old = self.averaged[name]
            self.averaged[name] = old + share * (new - old) if new.is_floating_point() else new.clone()


def test_weights_and_their_average_move_as_in_a_loop_written_by_hand(monkeypatch):
    monkeypatch.setattr("backends.yolov5.training.optimizer.MIN_WARMUP", 1)
    batches = RandomBatches(count=5)
    start = exact_network().state_dict()
    loop = loop_of(batches, exact_network(), epochs=6, options=WARM)
    loop.ema.tau = TAU
    loop.ema.model.double()  # exactly: it began in float32
    for epoch in range(6):
        loop.train_epoch(epoch, {}, ignored)
    hand = ByHand(WARM, epochs=6)
    hand.train(batches)

    weights, averaged = loop.model.state_dict(), loop.ema.model.state_dict()
    assert min(hand.norms) < WARM.clip < max(hand.norms)
    assert largest_difference(weights, hand.network.state_dict()) < 1e-9
    assert largest_difference(averaged, hand.averaged) < 1e-9
    assert largest_difference(weights, start) > 0.1
    assert largest_difference(weights, averaged) > 0.05


def sides(loop, epoch):
    """The inputs of the network in an epoch."""
    seen = []
    hook = loop.model.register_forward_pre_hook(lambda _module, inputs: seen.append(tuple(inputs[0].shape[2:])))
    loop.train_epoch(epoch, {}, ignored)
    hook.remove()
    return seen


def test_images_keep_their_side_unless_another_is_asked_for():
    assert sides(loop_of(RandomBatches(count=3)), 0) == [(64, 64)] * 3


def test_multi_scale_draws_a_side_for_every_batch():
    loop = loop_of(RandomBatches(count=20, size=1, imgsz=128), multi_scale=True)
    first, second = sides(loop, 0), sides(loop, 1)
    assert set(first) == {(side, side) for side in (64, 96, 128, 160, 192)}
    assert first != second
    assert sides(loop, 0) == first
    assert sides(loop_of(loop.batches, multi_scale=True, seed=1), 0) != first


class RegionBatches(RandomBatches):
    """The same, with an ignore region over the whole of each image."""

    def epoch(self, number, class_scores):
        rows = torch.tensor([[index, 0.5, 0.5, 1.0, 1.0] for index in range(self.size)])
        return (batch._replace(regions=rows) for batch in super().epoch(number, class_scores))


@pytest.mark.parametrize("changes", [{}, {"multi_scale": True}, {"amp": Amp.bf16}], ids=str)
def test_regions_reach_the_loss(changes):
    plain, regions = (
        loop_of(kind(count=1, imgsz=128), lr0=1e-9, **changes).train_epoch(0, {}, ignored).values()
        for kind in (RandomBatches, RegionBatches)
    )
    assert (regions["box"], regions["cls"]) == (plain["box"], plain["cls"])
    assert regions["obj"] > 2 * plain["obj"]  # of positives only, whose objectness is still near 0


@pytest.mark.parametrize(
    ("amp", "kind"), [(Amp.bf16, torch.bfloat16), (Amp.off, torch.float32), (Amp.auto, torch.float32)]
)
def test_amp_is_what_convolutions_compute_in(amp, kind):
    loop = loop_of(RandomBatches(count=1), amp=amp)
    seen = set()
    for module in loop.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: seen.add(output.dtype))
    loop.train_epoch(0, {}, ignored)
    assert seen == {kind}
    assert {parameter.dtype for parameter in loop.model.parameters()} == {torch.float32}
