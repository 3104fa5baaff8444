"""The trainer: epoch after epoch with validation, best and last weights, and a state to resume from."""

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


def fitness(map50: float, map50_95: float) -> float:
    """0.1 of mAP50 and 0.9 of mAP50-95, 0..1."""
    return 0.1 * map50 + 0.9 * map50_95


def doubts(loop: Loop) -> Iterator[str]:
    """Yield a line for each quantity that is too small for what it is for.

    Args:
        loop: The training, before its first epoch.
    """
    recipe, images, per_epoch = loop.recipe, loop.batches.pictures, len(loop.batches)
    if images < recipe.batch:
        yield (
            f"the training split has {counted(images, 'image')}, fewer than a batch of {recipe.batch}: "
            "an epoch is one batch; a smaller train.batch gives more steps"
        )
    total, warmup = recipe.epochs * per_epoch, loop.schedule.warmup
    if warmup >= total:
        yield (
            f"the warm-up takes {counted(warmup, 'batch')}, the training {total} ({recipe.epochs} x {per_epoch}): "
            f"the learning rate never reaches lr0={recipe.options.lr0:g}; train.warmup_epochs=0 trains without a "
            f"warm-up, train.epochs={math.ceil(2 * warmup / per_epoch)} for twice its length"
        )


BEST, LAST = "best.safetensors", "last.safetensors"


@dataclass(frozen=True)
class ValidationScores:
    """What a validation found, 0..1; ``classes``: mAP50-95 by class id."""

    map50: float
    map50_95: float
    classes: Mapping[int, float]


@dataclass(frozen=True)
class Epoch:
    """A finished epoch: as ``core.kinds.training.EpochResult``, which this library does not know."""

    number: int
    losses: Mapping[str, float]
    rates: Mapping[str, float]
    fitness: float
    best: bool
    seconds: float
    pictures: int
    memory: int


class TrainerListener(Protocol):
    """Is told how it goes; only the first process has one."""

    def begin(self, epoch: int, pictures: int) -> None:
        """An epoch of so many pictures begins."""
        ...

    def advance(self, pictures: int, losses: Mapping[str, float]) -> None:
        """A batch is done."""
        ...

    def validate(self, averaged: YOLOv5) -> ValidationScores | None:
        """Measure the averaged weights."""
        ...

    def finish(self, epoch: Epoch) -> None:
        """An epoch is done and its weights are written; told again where a resumed training repeats it."""
        ...

    def note(self, message: str) -> None:
        """One line of information."""
        ...


class Trainer:
    """Runs a :class:`Loop` to its end.

    Args:
        loop: The training.
        weights: Variant and names for the checkpoints; its state is not used.
        folder: Where state and checkpoints are written.
        listener: Is told how it goes.

    Attributes:
        ended: Why :meth:`run` returned, in the first process: ``epochs``, ``patience`` or ``time``.
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
        """Go on where :meth:`run` was interrupted."""
        loop = self.loop
        loop.model.load_state_dict(state.model)
        loop.ema.load(state.averaged, state.updates)
        loop.optimizer.load_state_dict(dict(state.optimizer))
        if state.scaler:  # empty where no scaler was needed
            loop.scaler.load_state_dict(dict(state.scaler))
        self.epoch, (self.best, self.best_epoch) = state.epoch, state.best
        self._class_scores, self._seconds = state.class_scores, state.seconds
        self.listener.note(f"resumes after epoch {self.epoch} of {loop.recipe.epochs}")

    def run(self) -> None:
        """Train until the epochs, the hours or the patience are used up."""
        while self.epoch < self.loop.recipe.epochs and not self._over():
            start = time.perf_counter()
            self.listener.begin(self.epoch, self.loop.batches.pictures)
            means = self.loop.train_epoch(self.epoch, self._class_scores, self.listener.advance)
            trained = time.perf_counter() - start
            value = self._validated() if self._validation_due() else None
            self._seconds += time.perf_counter() - start
            self._close(means.values(), value, trained, means.pictures)

    def _close(self, losses: Mapping[str, float], value: float | None, seconds: float, pictures: int) -> None:
        """Write what the epoch has given, and tell of it.

        The state comes last: a training killed before it repeats the epoch to the same end, and tells of it twice
        rather than never.
        """
        number, self.epoch = self.epoch, self.epoch + 1
        better = value is not None and value > self.best
        if better and value is not None:
            self.best, self.best_epoch = value, number
        shown = value if value is not None else float("nan")
        if self.loop.processes.leader:
            if better or self.best_epoch < 0:
                self._save(BEST)
            self._save(LAST)
        pictures *= self.loop.processes.world
        rates = self.loop.rates()
        self.listener.finish(Epoch(number, losses, rates, shown, better, seconds, pictures, self._memory()))
        if self.loop.processes.leader:
            save_state(self._state(), self.folder)

    def _validation_due(self) -> bool:
        done = self.epoch + 1
        return done % self.loop.recipe.val_every == 0 or done == self.loop.recipe.epochs

    def _validated(self) -> float | None:
        """Fitness by the first process's validation, in every process; None where nothing can be measured."""
        processes, count = self.loop.processes, self.weights.config.num_classes
        values = [float("nan")] * (1 + count)
        if processes.leader and (scores := self.listener.validate(self.loop.ema.model)):
            found = [scores.classes.get(index, float("nan")) for index in range(count)]
            values = [fitness(scores.map50, scores.map50_95), *found]
        value, *classes = processes.from_leader(values)
        self._class_scores = {index: score for index, score in enumerate(classes) if not isnan(score)}
        return None if isnan(value) else value

    def _over(self) -> bool:
        """Whether patience or time is used up; the first process decides for all."""
        recipe = self.loop.recipe
        reason, ended = "", "epochs"
        if recipe.patience and self.best_epoch >= 0 and self.epoch - 1 - self.best_epoch >= recipe.patience:
            reason = f"no better epoch than {self.best_epoch + 1} for {counted(recipe.patience, 'epoch')}: stops early"
            ended = "patience"
        mean = self._seconds / max(self.epoch, 1)
        if recipe.hours is not None and self.epoch and self._seconds + mean > recipe.hours * 3600:
            reason = f"the next epoch would end after {recipe.hours:g} h: stops after epoch {self.epoch}"
            ended = "time"
        over = self.loop.processes.from_leader([float(bool(reason))])[0] > 0
        if over:
            self.ended = ended
            self.listener.note(reason)
        return over

    def _state(self) -> TrainingState:
        loop = self.loop
        return TrainingState(
            epoch=self.epoch,
            batch=loop.recipe.batch,
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
        device = self.loop.processes.device
        return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0
