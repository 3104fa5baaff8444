"""The trainer: epochs with validation, early stopping, checkpoints, and the state to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Protocol

import torch

from backends.yolov5.checkpoint import Weights, save
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.loop import Loop
from backends.yolov5.training.state import TrainingState, save_state
from core.errors import counted
from core.kinds.training import BEST, LAST


def fitness(map50: float, map50_95: float) -> float:
    """Return 0.1 * mAP50 + 0.9 * mAP50-95."""
    return 0.1 * map50 + 0.9 * map50_95


def warnings_for(loop: Loop) -> Iterator[str]:
    """Yield a warning for fewer images than a batch, and for a warm-up longer than the training."""
    hyperparameters, images, per_epoch = loop.hyperparameters, loop.batches.images, len(loop.batches)
    epochs, lr0 = hyperparameters.epochs, hyperparameters.options.lr0
    if images < hyperparameters.batch:
        yield (
            f"the training split has {counted(images, 'image')}, fewer than a batch of {hyperparameters.batch}: "
            "an epoch has one batch; a smaller train.batch gives more optimizer steps"
        )
    total, warmup = epochs * per_epoch, loop.schedule.warmup
    if warmup >= total:
        yield (
            f"the warm-up takes {counted(warmup, 'batch')}, the training {total} ({epochs} x {per_epoch}): "
            f"the learning rate never reaches lr0={lr0:g}; set train.warmup_epochs=0 for no warm-up, or "
            f"train.epochs={math.ceil(2 * warmup / per_epoch)} for a training run twice as long as the warm-up"
        )


@dataclass(frozen=True)
class ValidationScores:
    """Scores of a validation, 0..1; ``classes`` is mAP50-95 by class id."""

    map50: float
    map50_95: float
    classes: Mapping[int, float]


@dataclass(frozen=True)
class Epoch:
    """Result of an epoch: the fields of :class:`core.kinds.training_progress.EpochResult` that the trainer computes."""

    number: int
    losses: Mapping[str, float]
    rates: Mapping[str, float]
    fitness: float
    best: bool
    seconds: float
    images: int
    memory: int


class TrainerListener(Protocol):
    """Receives the progress of a training run; only that of rank 0 reports it."""

    def begin(self, epoch: int, images: int) -> None:
        """Handle the start of an epoch with this number of images."""
        ...

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Handle a finished batch: its number of images and the mean losses so far."""
        ...

    def validate(self, averaged: YOLOv5) -> ValidationScores | None:
        """Validate the averaged weights; None if there is nothing to measure."""
        ...

    def finish(self, epoch: Epoch) -> None:
        """Handle a finished epoch after its checkpoints are written; a resumed training run may report it again."""
        ...

    def note(self, message: str) -> None:
        """Print one line of information."""
        ...


class Trainer:
    """Runs a :class:`Loop` until its epochs, patience or hours are used up.

    Args:
        loop: The training loop.
        weights: Config, variant and class names of the checkpoints; its state is not used.
        folder: Folder of state and checkpoints.
        listener: Receives the progress.

    Attributes:
        epoch: Number of finished epochs.
        best: Highest fitness so far.
        best_epoch: Its epoch, from 0; -1 before the first validation.
        ended: Why :meth:`run` returned, on rank 0: ``epochs``, ``patience`` or ``time``.
    """

    def __init__(self, loop: Loop, weights: Weights, folder: Path, listener: TrainerListener) -> None:
        self.loop, self.folder, self.listener = loop, folder, listener
        self.epoch = 0
        self.best, self.best_epoch = -1.0, -1
        self.weights = weights
        self.ended = "epochs"
        self._class_scores: dict[int, float] = {}
        self._seconds = 0.0

    def resume(self, state: TrainingState) -> None:
        """Restore ``state``; :meth:`run` then continues after its last epoch."""
        loop = self.loop
        loop.model.load_state_dict(state.model)
        loop.ema.load(state.averaged, state.updates)
        loop.optimizer.load_state_dict(dict(state.optimizer))
        if state.scaler:  # empty without float16
            loop.scaler.load_state_dict(dict(state.scaler))
        self.epoch, (self.best, self.best_epoch) = state.epoch, state.best
        self._class_scores, self._seconds = state.class_scores, state.seconds
        self.listener.note(f"resuming after epoch {self.epoch} of {loop.hyperparameters.epochs}")

    def run(self) -> None:
        """Train until the epochs, the hours or the patience are used up."""
        while self.epoch < self.loop.hyperparameters.epochs and not self._over():
            start = time.perf_counter()
            self.listener.begin(self.epoch, self.loop.batches.images)
            means = self.loop.train_epoch(self.epoch, self._class_scores, self.listener.advance)
            trained = time.perf_counter() - start
            fitness_value = self._validate() if self._validation_due() else None
            self._seconds += time.perf_counter() - start
            self._finish_epoch(means.values(), fitness_value, trained, means.images)

    def _finish_epoch(self, losses: Mapping[str, float], value: float | None, seconds: float, images: int) -> None:
        """Write the checkpoints, report the epoch, then write the state.

        A run that is killed before the state is written repeats the epoch with the same result, and reports it a
        second time.
        """
        number, self.epoch = self.epoch, self.epoch + 1
        better = value is not None and value > self.best
        if better and value is not None:
            self.best, self.best_epoch = value, number
        reported = value if value is not None else float("nan")
        if self.loop.distributed.leader:
            if better or self.best_epoch < 0:
                self._save(BEST)
            self._save(LAST)
        images *= self.loop.distributed.world_size
        rates = self.loop.rates()
        self.listener.finish(Epoch(number, losses, rates, reported, better, seconds, images, self._memory()))
        if self.loop.distributed.leader:
            save_state(self._state(), self.folder)

    def _validation_due(self) -> bool:
        done = self.epoch + 1
        return done % self.loop.hyperparameters.val_every == 0 or done == self.loop.hyperparameters.epochs

    def _validate(self) -> float | None:
        """Validate on rank 0 and return the fitness on every rank; None if there is nothing to measure."""
        distributed, count = self.loop.distributed, self.weights.config.num_classes
        values = [float("nan")] * (1 + count)
        if distributed.leader and (scores := self.listener.validate(self.loop.ema.model)):
            found = [scores.classes.get(index, float("nan")) for index in range(count)]
            values = [fitness(scores.map50, scores.map50_95), *found]
        value, *classes = distributed.from_leader(values)
        self._class_scores = {index: score for index, score in enumerate(classes) if not isnan(score)}
        return None if isnan(value) else value

    def _over(self) -> bool:
        """Return whether patience or hours are used up; rank 0 decides for all."""
        patience, hours = self.loop.hyperparameters.patience, self.loop.hyperparameters.hours
        reason, ended = "", "epochs"
        if patience and self.best_epoch >= 0 and self.epoch - 1 - self.best_epoch >= patience:
            reason = f"no better epoch than {self.best_epoch + 1} for {counted(patience, 'epoch')}: stopping early"
            ended = "patience"
        mean = self._seconds / max(self.epoch, 1)
        if hours is not None and self.epoch and self._seconds + mean > hours * 3600:
            reason = f"the next epoch would end after {hours:g} h: stopping after epoch {self.epoch}"
            ended = "time"
        over = self.loop.distributed.from_leader([float(bool(reason))])[0] > 0
        if over:
            self.ended = ended
            self.listener.note(reason)
        return over

    def _state(self) -> TrainingState:
        loop = self.loop
        return TrainingState(
            epoch=self.epoch,
            batch=loop.hyperparameters.batch,
            config=self.weights.config.to_dict(),
            model=loop.model.state_dict(),
            averaged=loop.ema.model.state_dict(),
            updates=loop.ema.updates,
            optimizer=loop.optimizer.state_dict(),
            scaler=loop.scaler.state_dict(),
            best=(self.best, self.best_epoch),
            class_scores=self._class_scores,
            seconds=self._seconds,
        )

    def _save(self, name: str) -> None:
        state = {key: value.detach().cpu() for key, value in self.loop.ema.model.state_dict().items()}
        save(replace(self.weights, state=state), self.folder / name)

    def _memory(self) -> int:
        device = self.loop.distributed.device
        return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0
