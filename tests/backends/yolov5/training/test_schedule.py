"""Learning rate, momentum and accumulation at moments computed by hand."""

from __future__ import annotations

import pytest
import torch

from backends.yolov5.training.optimizer import Schedule, make_optimizer
from backends.yolov5.training.options import TrainingOptions
from core.options.training import Optimizer
from tests.support.yolov5_tools import tiny_weights


def applied(
    schedule: Schedule, step: int, epoch: int, kind: Optimizer = Optimizer.sgd
) -> tuple[int, float, float, float]:
    """Accumulation, rate of weights, rate of biases, momentum."""
    optimizer = make_optimizer(tiny_weights().network().requires_grad_(requires_grad=True), TrainingOptions(), 16)
    if kind is not Optimizer.sgd:
        optimizer = make_optimizer(torch.nn.Linear(2, 2), TrainingOptions(optimizer=kind), 16)
    accumulate = schedule.apply(optimizer, step, epoch)
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert groups["weights"]["lr"] == groups["norms"]["lr"]
    (momentum,) = {
        group["momentum"] if kind is Optimizer.sgd else group["betas"][0] for group in optimizer.param_groups
    }
    return accumulate, groups["weights"]["lr"], groups["biases"]["lr"], momentum


@pytest.mark.parametrize(
    ("step", "epoch", "expected"),
    [
        (0, 0, (1, 0.0, 0.1, 0.8)),
        (60, 0, (2, 0.002, 0.082, 0.8 + 0.2 * 0.137)),  # 1 + 0.2 * 3 = 1.6
        (150, 1, (2, 0.5 * 0.009901, 0.05 + 0.5 * 0.009901, 0.8 + 0.5 * 0.137)),  # 2.5 rounds to even
        (299, 2, (4, 0.009802 * 299 / 300, 0.1 + (0.009802 - 0.1) * 299 / 300, 0.8 + 0.137 * 299 / 300)),
        (300, 3, (4, 0.009703, 0.009703, 0.937)),
        (5000, 50, (4, 0.00505, 0.00505, 0.937)),
        (9999, 99, (4, 0.000199, 0.000199, 0.937)),
    ],
)
def test_linear_with_warm_up(step: int, epoch: int, expected: tuple[int, float, float, float]) -> None:
    schedule = Schedule(TrainingOptions(), epochs=100, batches_per_epoch=100, batch=16)
    found = applied(schedule, step, epoch)
    assert found[0] == expected[0]
    assert found[1:] == pytest.approx(expected[1:], rel=1e-12)


def test_adam_warms_its_first_beta_up() -> None:
    schedule = Schedule(TrainingOptions(), epochs=100, batches_per_epoch=100, batch=16)
    assert applied(schedule, 150, 1, Optimizer.adamw)[3] == pytest.approx(0.8685)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.01), (25, 0.00855017857), (50, 0.00505), (75, 0.00154982143)])
def test_half_a_cosine(epoch: int, rate: float) -> None:
    schedule = Schedule(TrainingOptions(cos_lr=True), epochs=100, batches_per_epoch=100, batch=16)
    assert schedule.rate(epoch) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("epochs", "batches", "warmup"), [(3.0, 1000, 3000), (3.0, 5, 100), (0.5, 1001, 500), (0.0, 1000, 0)]
)
def test_length_of_the_warm_up(epochs: float, batches: int, warmup: int) -> None:
    assert Schedule(TrainingOptions(warmup_epochs=epochs), 100, batches, 16).warmup == warmup


def test_without_warm_up_it_begins_at_once() -> None:
    schedule = Schedule(TrainingOptions(warmup_epochs=0), epochs=10, batches_per_epoch=100, batch=64)
    assert applied(schedule, 0, 0) == (1, 0.01, 0.01, 0.937)


def test_a_large_batch_never_accumulates() -> None:
    schedule = Schedule(TrainingOptions(), epochs=10, batches_per_epoch=100, batch=256)
    assert [schedule.apply(torch.optim.SGD([{"params": [], "name": "x"}], lr=1), s, 0) for s in (0, 99, 400)] == [1] * 3
