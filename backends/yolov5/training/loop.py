"""The training itself: epochs of batches, and what is done after each epoch."""

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
from backends.yolov5.training.hyperparameters import Hyperparameters
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.optimizer import EMA, Schedule, freeze, make_optimizer
from backends.yolov5.training.precision import Finite, amp_type, autocast, scaler
from backends.yolov5.training.processes import Processes
from core.errors import counted

PARTS = ("box", "obj", "cls")
GPU_READING = 0.5
"""Seconds between two readings of a GPU's means: each waits for all its work."""


class Batches(Protocol):
    """The batches of every epoch, the same ones whenever an epoch is begun again.

    Attributes:
        pictures: How many an epoch has, in all processes together.
    """

    pictures: int

    def __len__(self) -> int:
        """Batches an epoch, for this process."""
        ...

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterable[TrainingBatch]:
        """The batches of epoch ``number``; ``class_scores`` weigh the pictures where that is asked for."""
        ...


@dataclass
class Means:
    """Means over an epoch of loss parts.

    Attributes:
        sums: Sum of the parts, weighted by pictures, on the device.
        pictures: That were counted.
        every: Seconds after which :meth:`recent` reads again.
    """

    sums: Tensor
    pictures: int = 0
    every: float = 0.0
    _read: tuple[float, dict[str, float]] = field(default=(-math.inf, {}), init=False)

    def add(self, parts: Tensor, pictures: int) -> None:
        """Take in one batch."""
        self.sums += parts * pictures
        self.pictures += pictures

    def values(self) -> dict[str, float]:
        """The means by name."""
        return dict(zip(PARTS, (self.sums / max(self.pictures, 1)).tolist(), strict=True))

    def recent(self) -> dict[str, float]:
        """The means by name, at most ``every`` seconds old."""
        now = time.monotonic()
        if now - self._read[0] >= self.every:
            self._read = now, self.values()
        return self._read[1]


@dataclass
class Loop:
    """A network in training, in one process of possibly several.

    Attributes:
        model: In float32, on the CPU.
        recipe: How to train.
        batches: What to train on.
        processes: This process among its like.
    """

    model: YOLOv5
    recipe: Hyperparameters
    batches: Batches
    processes: Processes
    ema: EMA = field(init=False)

    def __post_init__(self) -> None:
        recipe, options, device = self.recipe, self.recipe.options, self.processes.device
        self._format = torch.channels_last if options.channels_last else torch.contiguous_format
        self.model.to(device, memory_format=self._format)  # type: ignore[call-overload]
        self.frozen = frozenset(freeze(self.model, options.freeze))
        self.optimizer = make_optimizer(self.model, options, recipe.batch)
        self.schedule = Schedule(options, recipe.epochs, len(self.batches), recipe.batch)
        self.loss = DetectionLoss(self.model.config, options, recipe.imgsz)
        self.ema = EMA(self.model)
        self._type = amp_type(options.amp, device)
        self.scaler = scaler(self._type, device)
        self._finite = Finite(device)
        wrapped = self.processes.wrap(self.model)
        self._network: nn.Module = torch.compile(wrapped) if options.compile else wrapped  # type: ignore[assignment]

    def train_epoch(
        self, epoch: int, class_scores: Mapping[int, float], advance: Callable[[int, Mapping[str, float]], None]
    ) -> Means:
        """One pass over the pictures; every epoch ends with a step of the optimiser.

        Raises:
            TrainingError: Loss or gradient is not finite, or memory ran out.
        """
        self._set_training()
        device, world = self.processes.device, self.processes.world
        means = Means(torch.zeros(len(PARTS), device=device), every=GPU_READING if device.type == "cuda" else 0)
        first = epoch * len(self.batches)
        waiting: list[Sequence[Path]] = []
        for number, batch in enumerate(self.batches.epoch(epoch, class_scores)):
            accumulate = self.schedule.apply(self.optimizer, first + number, epoch)
            waiting.append(batch.paths)
            due = len(waiting) >= accumulate or number + 1 == len(self.batches)
            with _memory_told(self.processes, self.recipe, len(batch.images)):
                with self._exchange(due=due):
                    parts = self._backward(batch, epoch, number)
                if due:
                    self._step(_where(epoch, number, waiting))
                    waiting.clear()
            means.add(parts, len(batch.images))
            advance(len(batch.images) * world, means.recent())
        self._finite.settle()
        means.sums = self.processes.mean(means.sums)
        return means

    def _set_training(self) -> None:
        """Training mode; a frozen layer keeps the statistics of its normalisation."""
        self.model.train()
        for name, module in self.model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" in self.frozen:
                module.eval()

    def _backward(self, batch: TrainingBatch, epoch: int, number: int) -> Tensor:
        images = self._images(batch.images, epoch, number)
        with autocast(self._type, self.processes.device):
            logits = self._network(images)
        loss, parts = self.loss(logits, batch.targets.to(images.device, non_blocking=True))
        self._finite.check(loss, "loss", _where(epoch, number, [batch.paths]))
        # Gradients are averaged over processes; the loss is that of a sum over pictures.
        self.scaler.scale(loss * self.processes.world).backward()  # type: ignore[no-untyped-call]
        return parts

    def _images(self, images: Tensor, epoch: int, number: int) -> Tensor:
        """Float 0..1 on the device, of another size where that is asked for."""
        device = self.processes.device
        floats = images.to(device, non_blocking=True).to(memory_format=self._format).float() / 255
        if not self.recipe.options.multi_scale:
            return floats
        stride = max(self.model.config.strides)
        side = max(floats.shape[2:])
        factor = 0.5 + _uniform(self.recipe.seed, epoch, number)
        factor = max(round(side * factor / stride), 1) * stride / side
        size = [max(round(length * factor / stride), 1) * stride for length in floats.shape[2:]]
        return interpolate(floats, size=size, mode="bilinear", align_corners=False)

    def _exchange(self, *, due: bool) -> AbstractContextManager[object]:
        """Processes exchange gradients only before a step."""
        held = not due and self.processes.world > 1
        return self._network.no_sync() if held else nullcontext()  # type: ignore[operator]

    def _step(self, where: str) -> None:
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.options.clip or math.inf)
        if not self.scaler.is_enabled():  # which leaves such a step out itself
            self._finite.check(norm, "gradient", where)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.model)

    def rates(self) -> dict[str, float]:
        """Learning rate by parameter group."""
        groups = self.optimizer.param_groups
        return {str(group.get("name", index)): float(group["lr"]) for index, group in enumerate(groups)}


@contextmanager
def _memory_told(mine: Processes, recipe: Hyperparameters, batch: int) -> Iterator[None]:
    """Tell an exhausted memory with the batch of this process that needed it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
            raise
        where = "of the machine"
        if mine.device.type == "cuda":
            total = torch.cuda.get_device_properties(mine.device).total_memory
            where = f"of {torch.cuda.get_device_name(mine.device)} ({total / 2**30:.1f} GiB)"
        half = recipe.batch // 2 // mine.world * mine.world
        smaller = f"batch={half} or auto, " if half else ""
        raise TrainingError(
            f"the memory {where} does not hold a batch of {counted(batch, 'image')} of {recipe.imgsz} pixels",
            f"try {smaller}a smaller imgsz, or a smaller model; gradients are summed up to nominal_batch in any case",
        ) from error


def largest_side(imgsz: int, stride: int) -> int:
    """The largest side that ``multi_scale`` makes of ``imgsz`` pixels."""
    return round(imgsz * 1.5 / stride) * stride


def _uniform(seed: int, epoch: int, number: int) -> float:
    """The same number in 0..1 for the same batch, in every process."""
    generator = torch.Generator().manual_seed(hash((seed, epoch, number)) & 0x7FFFFFFF)
    return float(torch.rand((), generator=generator))


def _where(epoch: int, number: int, paths: Sequence[Sequence[Path]]) -> str:
    """The batches of these pictures, the last of which is ``number``."""
    first, last = number + 2 - len(paths), number + 1
    batches = f"batch {last}" if first == last else f"batches {first} to {last}"
    return f"in epoch {epoch + 1}, {batches}, with {_named([*chain.from_iterable(paths)])}"


def _named(paths: Sequence[Path]) -> str:
    shown = ", ".join(f"'{path.name}'" for path in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
