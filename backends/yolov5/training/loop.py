"""The training loop: forward, backward and optimizer steps of one epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from backends.yolov5.data.samples import TrainingBatch
from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.memory import is_exhausted
from backends.yolov5.training.optimizer import EMA, Schedule, freeze, make_optimizer
from backends.yolov5.training.options import Hyperparameters
from backends.yolov5.training.precision import Finite, amp_type, autocast, scaler
from core.errors import counted, listed

PARTS = ("box", "obj", "cls")
"""Names of the loss terms."""
GPU_INTERVAL = 0.5
"""Seconds between two reads of the mean losses from a GPU; each read waits for all its work."""


class Batches(Protocol):
    """The batches of each epoch; an epoch that is repeated has the same ones.

    Attributes:
        images: Number of images per epoch, of all processes together.
    """

    images: int

    def __len__(self) -> int:
        """Return the number of batches per epoch of this process."""
        ...

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterable[TrainingBatch]:
        """Yield the batches of epoch ``number``; ``class_scores`` (mAP by class id) is for ``image_weights``."""
        ...


@dataclass
class Means:
    """Mean loss terms of an epoch.

    Attributes:
        sums: Sums of the terms, weighted by number of images, on the device.
        images: Number of images in the sums.
        every: Seconds after which :meth:`recent` reads the device again.
    """

    sums: Tensor
    images: int = 0
    every: float = 0.0
    _read: tuple[float, dict[str, float]] = field(default=(-math.inf, {}), init=False)

    def add(self, parts: Tensor, images: int) -> None:
        """Add one batch."""
        self.sums += parts * images
        self.images += images

    def values(self) -> dict[str, float]:
        """Return the means by name."""
        return dict(zip(PARTS, (self.sums / max(self.images, 1)).tolist(), strict=True))

    def recent(self) -> dict[str, float]:
        """Return the means by name, at most ``every`` seconds old."""
        now = time.monotonic()
        if now - self._read[0] >= self.every:
            self._read = now, self.values()
        return self._read[1]


@dataclass
class Loop:
    """The training of a network in one process.

    Attributes:
        model: The network, float32; moved to the device.
        hyperparameters: Hyperparameters of the training.
        batches: Training data.
        distributed: Rank and device of this process.
    """

    model: YOLOv5
    hyperparameters: Hyperparameters
    batches: Batches
    distributed: Distributed
    ema: EMA = field(init=False)

    def __post_init__(self) -> None:
        hyperparameters, options, device = self.hyperparameters, self.hyperparameters.options, self.distributed.device
        self._format = torch.channels_last if options.channels_last else torch.contiguous_format
        self.model.to(device, memory_format=self._format)  # type: ignore[call-overload]
        self.frozen = frozenset(freeze(self.model, options.freeze))
        self.optimizer = make_optimizer(self.model, options, hyperparameters.batch)
        self.schedule = Schedule(options, hyperparameters.epochs, len(self.batches), hyperparameters.batch)
        self.loss = DetectionLoss(self.model.config, options, hyperparameters.imgsz)
        self.ema = EMA(self.model)
        self._type = amp_type(options.amp, device)
        self.scaler = scaler(self._type, device)
        self._finite = Finite(device)
        wrapped = self.distributed.wrap(self.model)
        self._network: nn.Module = torch.compile(wrapped) if options.compile else wrapped  # type: ignore[assignment]

    def train_epoch(
        self, epoch: int, class_scores: Mapping[int, float], advance: Callable[[int, Mapping[str, float]], None]
    ) -> Means:
        """Train for one epoch and return its mean losses; the last batch always ends with an optimizer step.

        Args:
            epoch: Epoch from 0.
            class_scores: mAP by class id, for ``image_weights``.
            advance: Called after each batch with its number of images and the mean losses so far.

        Raises:
            TrainingError: Loss or gradient is not finite, or memory is exhausted.
        """
        self._set_training()
        device, world = self.distributed.device, self.distributed.world_size
        means = Means(torch.zeros(len(PARTS), device=device), every=GPU_INTERVAL if device.type == "cuda" else 0)
        first = epoch * len(self.batches)
        accumulated: list[Sequence[Path]] = []
        for number, batch in enumerate(self.batches.epoch(epoch, class_scores)):
            accumulate = self.schedule.apply(self.optimizer, first + number, epoch)
            accumulated.append(batch.paths)
            due = len(accumulated) >= accumulate or number + 1 == len(self.batches)
            with _memory_errors(self.distributed, self.hyperparameters, len(batch.images)):
                with self._exchange(due=due):
                    parts = self._backward(batch, epoch, number)
                if due:
                    self._step(_batches_since_step(epoch, number, accumulated))
                    accumulated.clear()
            means.add(parts, len(batch.images))
            advance(len(batch.images) * world, means.recent())
        self._finite.settle()
        means.sums = self.distributed.mean(means.sums)
        return means

    def _set_training(self) -> None:
        """Set training mode; batch normalisation of frozen layers stays in evaluation mode."""
        self.model.train()
        for name, module in self.model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" in self.frozen:
                module.eval()

    def _backward(self, batch: TrainingBatch, epoch: int, number: int) -> Tensor:
        images = self._images(batch.images, epoch, number)
        with autocast(self._type, self.distributed.device):
            logits = self._network(images)
        targets, regions = (rows.to(images.device, non_blocking=True) for rows in (batch.targets, batch.regions))
        loss, parts = self.loss(logits, targets, regions)
        self._finite.check(loss, "loss", _batches_since_step(epoch, number, [batch.paths]))
        # DDP averages gradients over ranks; the loss is a sum over images.
        self.scaler.scale(loss * self.distributed.world_size).backward()  # type: ignore[no-untyped-call]
        return parts

    def _images(self, images: Tensor, epoch: int, number: int) -> Tensor:
        """Return the images on the device as floats 0..1, resized at random with ``multi_scale``."""
        device = self.distributed.device
        floats = images.to(device, non_blocking=True).to(memory_format=self._format).float() / 255
        if not self.hyperparameters.options.multi_scale:
            return floats
        stride = max(self.model.config.strides)
        side = max(floats.shape[2:])
        factor = 0.5 + _uniform(self.hyperparameters.seed, epoch, number)
        factor = max(round(side * factor / stride), 1) * stride / side
        size = [max(round(length * factor / stride), 1) * stride for length in floats.shape[2:]]
        return interpolate(floats, size=size, mode="bilinear", align_corners=False)

    def _exchange(self, *, due: bool) -> AbstractContextManager[object]:
        """Return a context in which gradients are exchanged between ranks only if a step is ``due``."""
        held = not due and self.distributed.world_size > 1
        return self._network.no_sync() if held else nullcontext()  # type: ignore[operator]

    def _step(self, where: str) -> None:
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.hyperparameters.options.clip or math.inf)
        if not self.scaler.is_enabled():  # the scaler skips such a step
            self._finite.check(norm, "gradient", where)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.model)

    def rates(self) -> dict[str, float]:
        """Return the learning rate by parameter group."""
        groups = self.optimizer.param_groups
        return {str(group.get("name", index)): float(group["lr"]) for index, group in enumerate(groups)}


@contextmanager
def _memory_errors(distributed: Distributed, hyperparameters: Hyperparameters, batch: int) -> Iterator[None]:
    """Raise TrainingError with the batch of this process if memory is exhausted."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        where = "of the machine"
        if distributed.device.type == "cuda":
            total = torch.cuda.get_device_properties(distributed.device).total_memory
            where = f"of {torch.cuda.get_device_name(distributed.device)} ({total / 2**30:.1f} GiB)"
        side, world_size = hyperparameters.imgsz, distributed.world_size
        half = hyperparameters.batch // 2 // world_size * world_size
        smaller = f"batch={half} or auto, " if half else ""
        raise TrainingError(
            f"the memory {where} is too small for a batch of {counted(batch, 'image')} of {side} pixels",
            f"try {smaller}a smaller imgsz, or a smaller model; gradients are accumulated up to train.nominal_batch",
        ) from error


def largest_side(imgsz: int, stride: int) -> int:
    """Return the largest side that ``multi_scale`` selects for ``imgsz``, pixels."""
    return round(imgsz * 1.5 / stride) * stride


def _uniform(seed: int, epoch: int, number: int) -> float:
    """Return a random number 0..1, the same for a batch in every process."""
    generator = torch.Generator().manual_seed(hash((seed, epoch, number)) & 0x7FFFFFFF)
    return float(torch.rand((), generator=generator))


def _batches_since_step(epoch: int, number: int, paths: Sequence[Sequence[Path]]) -> str:
    """Describe the batches since the last optimizer step; ``number`` is the last one."""
    names = [f"'{path.name}'" for path in chain.from_iterable(paths)]
    first, last = number + 2 - len(paths), number + 1
    batches = f"batch {last}" if first == last else f"batches {first} to {last}"
    return f"in epoch {epoch + 1}, {batches}, with {listed(names, 3)}"
