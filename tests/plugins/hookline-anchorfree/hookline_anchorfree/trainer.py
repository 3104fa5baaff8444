"""The training: AdamW, a warm-up and half a cosine, an average of the weights, a checkpoint per epoch."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hookline import EpochResult, HooklineError, Preprocessing, Trained, TrainingJob
from hookline.training import BEST, LAST, STATE
from hookline_anchorfree import checkpoint as own
from hookline_anchorfree.checkpoint import Weights
from hookline_anchorfree.head import NAMES
from hookline_anchorfree.images import batches
from hookline_anchorfree.loss import DetectionLoss, objects_of
from hookline_anchorfree.network import WIDTHS, Detector, NetworkShape
from hookline_anchorfree.options import AnchorFreeTraining
from hookline_anchorfree.session import TorchSession, device_of

BATCH = 16
"""Where the run leaves the batch open (``train.batch=auto``)."""
WARMUP = 20
"""Batches in which the learning rate rises."""
LAST_RATE = 0.02
"""The learning rate of the last batch as a fraction of ``lr0``."""
AVERAGED = 40
"""Batches that the average of the weights remembers."""
CLIP = 10.0


class Trainer:
    """One training.

    Args:
        job: What to train.
        preprocessing: Of the family, for the validation.
    """

    def __init__(self, job: TrainingJob, preprocessing: Preprocessing) -> None:
        self._job, self._options = job, job.options_as(AnchorFreeTraining)
        self._device = device_of(job.device)
        torch.manual_seed(job.seed)
        self._weights = start_weights(job)
        self._network = self._weights.network().train().to(self._device)
        self._averaged = deepcopy(self._network).requires_grad_(requires_grad=False)
        self._loss = DetectionLoss(self._options.center_radius, self._options.reg_weight)
        self._optimizer = _optimizer(self._network, self._options)
        self._size = job.batch or BATCH
        self._contract = preprocessing.contract(
            batch=1, height=job.imgsz, width=job.imgsz, dynamic=("batch", "height", "width")
        )
        self._epoch, self._batches = 0, 0
        self._best, self._best_epoch = -1.0, 0

    def run(self) -> Trained:
        """Train until the last epoch, the patience or the time ends."""
        job, start, ended = self._job, time.monotonic(), "epochs"
        if job.resume:
            self._resume()
        while self._epoch < job.epochs:
            began = time.monotonic()
            job.watcher.begin(self._epoch, len(job.images))
            losses = self._train_epoch()
            seconds = time.monotonic() - began
            self._conclude(losses, seconds)
            if job.patience and self._epoch - 1 - self._best_epoch >= job.patience:
                ended = "patience"
                break
            if job.hours is not None and time.monotonic() - start + seconds > 3600 * job.hours:
                ended = "time"
                break
        return Trained(self._weights.facts, self._epoch, self._best_epoch, {"fitness": self._best}, ended)

    def _train_epoch(self) -> dict[str, float]:
        """Return the mean losses."""
        job, rng = self._job, np.random.default_rng([self._job.seed, self._epoch])
        sums: dict[str, float] = {}
        self._network.train()
        for done, (images, rows) in enumerate(batches(job, self._size, rng), 1):
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate()
            levels = self._network(images.to(self._device))
            loss, parts = self._loss(levels, objects_of(rows.to(self._device), len(images)))
            if not math.isfinite(value := float(loss.detach())):
                raise HooklineError(f"the loss is {value:g} in epoch {self._epoch + 1}", "lower train.lr0")
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
            self._optimizer.step()
            self._batches += 1
            self._average()
            sums = {name: sums.get(name, 0.0) + value for name, value in parts.items()}
            job.watcher.advance(len(images), {name: value / done for name, value in sums.items()})
        return {name: value / done for name, value in sums.items()}

    def _rate(self) -> float:
        total = self._job.epochs * math.ceil(len(self._job.images) / self._size)
        falling = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * self._batches / total)) / 2
        return self._options.lr0 * min(1.0, (self._batches + 1) / WARMUP) * falling

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards those of the network, faster at first."""
        step = max(1 / AVERAGED, 1 / (1 + self._batches))
        for averaged, current in zip(
            self._averaged.state_dict().values(), self._network.state_dict().values(), strict=True
        ):
            if averaged.is_floating_point():
                averaged.lerp_(current, step)
            else:
                averaged.copy_(current)

    def _conclude(self, losses: Mapping[str, float], seconds: float) -> None:
        """Validate, write checkpoints and state, and report the epoch."""
        job, last = self._job, self._epoch + 1 == self._job.epochs
        scores = None
        if last or (self._epoch + 1) % job.val_every == 0:
            network = deepcopy(self._averaged).eval().fuse()
            with TorchSession(network, self._weights.facts, self._contract, "heads", self._device) as session:
                scores = job.watcher.validate(session, self._validation_losses)
        fitness = (scores.map50 + scores.map50_95) / 2 if scores else 0.0
        best = fitness > self._best or self._epoch == 0
        if best:
            self._best, self._best_epoch = fitness, self._epoch
        weights = Weights(self._weights.variant, job.names, self._weights.shape, _on_host(self._averaged.state_dict()))
        for name in (BEST, LAST) if best else (LAST,):
            own.save(weights, job.folder / name)
        rate = self._rate()
        self._epoch += 1
        torch.save(self._state(), job.folder / STATE)
        memory = torch.cuda.max_memory_allocated() if self._device.type == "cuda" else _peak()
        job.watcher.finish(
            EpochResult(
                epoch=self._epoch - 1,
                losses=losses,
                rates={"lr": rate},
                scores=scores,
                fitness=fitness,
                best=best,
                seconds=seconds,
                images=len(job.images),
                memory=memory,
            )
        )

    def _validation_losses(
        self, outputs: Mapping[str, NDArray[np.float32]], rows: NDArray[np.float32], _regions: NDArray[np.float32]
    ) -> dict[str, float]:
        """Return the losses of a validation batch, whose scores are no logits; ignore regions are background."""
        levels = [torch.from_numpy(outputs[name]) for name in NAMES]
        logits = [torch.cat([level[:, :4], level[:, 4:].logit(1e-6)], 1) for level in levels]
        with torch.inference_mode():
            return self._loss(logits, objects_of(torch.from_numpy(rows), len(levels[0])))[1]

    def _state(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epoch": self._epoch,
            "batches": self._batches,
            "best": self._best,
            "best_epoch": self._best_epoch,
        }

    def _resume(self) -> None:
        state = torch.load(self._job.folder / STATE, map_location=self._device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._epoch, self._batches = state["epoch"], state["batches"]
        self._best, self._best_epoch = state["best"], state["best_epoch"]


def start_weights(job: TrainingJob) -> Weights:
    """Return the network to train: random weights, and of ``job.start`` all tensors that fit.

    Raises:
        HooklineError: The weights to start from are those of another family.
    """
    given = own.load(job.start.path) if job.start else None
    variant = job.variant or (given.variant if given else "")
    widths = given.shape.widths if given and not job.variant else WIDTHS[variant]
    shape = NetworkShape(widths, len(job.names))
    state = Detector(shape).state_dict()
    if given:
        fitting = {n: value for n, value in given.state.items() if n in state and state[n].shape == value.shape}
        job.watcher.note(f"{len(fitting)} of {len(state)} tensors of the start weights are taken")
        state |= fitting
    return Weights(variant, job.names, shape, state)


def _optimizer(network: Detector, options: AnchorFreeTraining) -> torch.optim.Optimizer:
    decayed = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.lr0)


def _on_host(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _peak() -> int:
    """Return the largest resident size of this process in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
