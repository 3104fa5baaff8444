"""Learning rate, momentum and accumulation at every moment of a training."""

from __future__ import annotations

import math

import torch

from backends.yolov5.training.optimizer import accumulation
from backends.yolov5.training.options import TrainingOptions

LEAST_WARMUP = 100
"""Batches that a warm-up has at least."""


class Schedule:
    """A pure function of the batch and the epoch: a resumed training has nothing to restore.

    Args:
        settings: Rates, momentum and warm-up.
        epochs: Of the whole training.
        batches_per_epoch: For one process.
        batch: Pictures a batch, of all processes together.
    """

    def __init__(self, settings: TrainingOptions, epochs: int, batches_per_epoch: int, batch: int) -> None:
        self.settings, self.epochs, self.batch = settings, epochs, batch
        self.warmup = 0
        if settings.warmup_epochs > 0:
            self.warmup = max(round(settings.warmup_epochs * batches_per_epoch), LEAST_WARMUP)

    def rate(self, epoch: int) -> float:
        """Learning rate of epoch 0, 1, ... after the warm-up: lr0 at first, lr0*lrf when the last one has ended."""
        share = epoch / self.epochs
        if self.settings.cos_lr:
            share = (1 - math.cos(math.pi * share)) / 2
        return self.settings.lr0 * (1 + share * (self.settings.lrf - 1))

    def apply(self, optimizer: torch.optim.Optimizer, step: int, epoch: int) -> int:
        """Set rates and momentum for a batch.

        Args:
            optimizer: As :func:`~backends.yolov5.training.optimizer.make_optimizer` makes it.
            step: Batches before this one, counted from the start of the training.
            epoch: The epoch it belongs to, from 0.

        Returns:
            Over how many batches gradients are summed for a step.
        """
        settings, rate = self.settings, self.rate(epoch)
        done = min(step / self.warmup, 1.0) if self.warmup else 1.0
        for group in optimizer.param_groups:
            start = settings.warmup_bias_lr if group["name"] == "biases" else 0.0
            group["lr"] = _between(start, rate, done)
            _set_momentum(group, _between(settings.warmup_momentum, settings.momentum, done))
        if done == 1:
            return accumulation(settings, self.batch)
        return max(round(_between(1, settings.nominal_batch / self.batch, done)), 1)


def _between(start: float, end: float, share: float) -> float:
    return end if share == 1 else start + (end - start) * share


def _set_momentum(group: dict[str, object], momentum: float) -> None:
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, 0.999)
