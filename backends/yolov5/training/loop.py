"""The training itself: epochs of batches, and what is done after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.pictures.samples import Batch
from backends.yolov5.training.ema import EMA
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.optimizer import freeze, make_optimizer
from backends.yolov5.training.precision import amp_type, autocast, scaler
from backends.yolov5.training.processes import Processes
from backends.yolov5.training.recipe import Recipe
from backends.yolov5.training.schedule import Schedule

PARTS = ("box", "obj", "cls")


class Batches(Protocol):
    """The batches of every epoch, the same ones whenever an epoch is begun again.

    Attributes:
        pictures: How many an epoch has, in all processes together.
    """

    pictures: int

    def __len__(self) -> int:
        """Batches an epoch, for this process."""
        ...

    def epoch(self, number: int, class_scores: Mapping[int, float]) -> Iterable[Batch]:
        """The batches of epoch ``number``; ``class_scores`` weigh the pictures where that is asked for."""
        ...


@dataclass
class Means:
    """Means over an epoch of loss parts.

    Attributes:
        sums: Sum of the parts, weighted by pictures, on the device.
        pictures: That were counted.
    """

    sums: Tensor
    pictures: int = 0

    def add(self, parts: Tensor, pictures: int) -> None:
        """Take in one batch."""
        self.sums += parts * pictures
        self.pictures += pictures

    def values(self) -> dict[str, float]:
        """The means by name."""
        return dict(zip(PARTS, (self.sums / max(self.pictures, 1)).tolist(), strict=True))


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
    recipe: Recipe
    batches: Batches
    processes: Processes
    ema: EMA = field(init=False)

    def __post_init__(self) -> None:
        recipe, device = self.recipe, self.processes.device
        self._format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.model.to(device, memory_format=self._format)  # type: ignore[call-overload]
        self.frozen = frozenset(freeze(self.model, recipe.freeze))
        self.optimizer = make_optimizer(self.model, recipe.optimisation, recipe.batch)
        self.schedule = Schedule(recipe.optimisation, recipe.epochs, len(self.batches), recipe.batch)
        self.loss = DetectionLoss(self.model.config, recipe.gains, recipe.imgsz)
        self.ema = EMA(self.model)
        self._type = amp_type(recipe.amp, device)
        self.scaler = scaler(self._type, device)
        wrapped = self.processes.wrap(self.model)
        self._network: nn.Module = torch.compile(wrapped) if recipe.compile else wrapped  # type: ignore[assignment]

    def train_epoch(
        self, epoch: int, class_scores: Mapping[int, float], advance: Callable[[int, Mapping[str, float]], None]
    ) -> Means:
        """One pass over the pictures; every epoch ends with a step of the optimiser.

        Raises:
            TrainingError: The loss is not finite, or memory ran out.
        """
        self._set_training()
        device, world = self.processes.device, self.processes.world
        means = Means(torch.zeros(len(PARTS), device=device))
        first, waiting = epoch * len(self.batches), 0
        for number, batch in enumerate(self.batches.epoch(epoch, class_scores)):
            accumulate = self.schedule.apply(self.optimizer, first + number, epoch)
            waiting += 1
            due = waiting >= accumulate or number + 1 == len(self.batches)
            with _memory_told(device, self.recipe, len(batch.images)), self._exchange(due=due):
                parts = self._backward(batch, epoch, number)
            if due:
                self._step()
                waiting = 0
            means.add(parts, len(batch.images))
            advance(len(batch.images) * world, means.values())
        means.sums = self.processes.mean(means.sums)
        return means

    def _set_training(self) -> None:
        """Training mode; a frozen layer keeps the statistics of its normalisation."""
        self.model.train()
        for name, module in self.model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" in self.frozen:
                module.eval()

    def _backward(self, batch: Batch, epoch: int, number: int) -> Tensor:
        images = self._images(batch.images, epoch, number)
        with autocast(self._type, self.processes.device):
            logits = self._network(images)
        loss, parts = self.loss(logits, batch.targets.to(images.device, non_blocking=True))
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item():g} in epoch {epoch + 1}, batch {number + 1}, with {_named(batch.paths)}",
                "a smaller lr0, amp=off or a look at these pictures may help; the last good checkpoint was kept",
            )
        # Gradients are averaged over processes; the loss is that of a sum over pictures.
        self.scaler.scale(loss * self.processes.world).backward()  # type: ignore[no-untyped-call]
        return parts

    def _images(self, images: Tensor, epoch: int, number: int) -> Tensor:
        """Float 0..1 on the device, of another size where that is asked for."""
        device = self.processes.device
        floats = images.to(device, non_blocking=True).to(memory_format=self._format).float() / 255
        if not self.recipe.multi_scale:
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

    def _step(self) -> None:
        if self.recipe.optimisation.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimisation.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.model)

    def rates(self) -> dict[str, float]:
        """Learning rate by parameter group."""
        groups = self.optimizer.param_groups
        return {str(group.get("name", index)): float(group["lr"]) for index, group in enumerate(groups)}


@contextmanager
def _memory_told(device: torch.device, recipe: Recipe, batch: int) -> Iterator[None]:
    """Tell an exhausted memory with the batch that needed it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
            raise
        where = "of the machine"
        if device.type == "cuda":
            total = torch.cuda.get_device_properties(device).total_memory
            where = f"of {torch.cuda.get_device_name(device)} ({total / 2**30:.1f} GiB)"
        raise TrainingError(
            f"the memory {where} does not hold a batch of {batch} pictures of {recipe.imgsz} pixels",
            f"try batch={max(batch // 2, 1)} or auto, a smaller imgsz, or a smaller model; gradients are summed up to "
            "nominal_batch in any case",
        ) from error


def _uniform(seed: int, epoch: int, number: int) -> float:
    """The same number in 0..1 for the same batch, in every process."""
    generator = torch.Generator().manual_seed(hash((seed, epoch, number)) & 0x7FFFFFFF)
    return float(torch.rand((), generator=generator))


def _named(paths: Sequence[Path]) -> str:
    shown = ", ".join(f"'{path.name}'" for path in paths[:3])
    return shown + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
