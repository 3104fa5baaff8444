"""Measure the milliseconds of loss, optimizer and weight average for a batch of 16 at 640 pixels.

    python -m benchmarks.training_loss [threads]

The loss is compared with two other implementations of the same formula: indexing of the logits under autograd, and a
copy of all logits with the channels last, which is how the loss is usually written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from backends.yolov5.config import official
from backends.yolov5.model import YOLOv5
from backends.yolov5.training import loss as losses
from backends.yolov5.training.assign import Assigned
from backends.yolov5.training.optimizer import EMA, make_optimizer
from backends.yolov5.training.options import TrainingOptions
from core.options.training import Optimizer

BATCH, SIDE, CLASSES, BOXES, ROUNDS = 16, 640, 80, 20, 15


def indexed(logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Index and slice under autograd."""
    cells = logits.view(logits.shape[0], anchors, -1, *logits.shape[2:])
    return cells[found.image, found.anchor, :, found.gy, found.gx].to(dtype), cells[:, :, 4].to(dtype)


def copied(logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Copy all logits."""
    cells = logits.view(logits.shape[0], anchors, -1, *logits.shape[2:]).permute(0, 1, 3, 4, 2).contiguous()
    return cells[found.image, found.anchor, found.gy, found.gx].to(dtype), cells[..., 4].to(dtype)


def best(work: Callable[[], object]) -> float:
    """Return milliseconds of the fastest round."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def targets(generator: torch.Generator) -> Tensor:
    """Return random boxes, mostly small ones, [N, 6]."""
    count = BATCH * BOXES
    labels = [torch.randint(0, most, (count, 1), generator=generator) for most in (BATCH, CLASSES)]
    centres, sizes = torch.rand(2, count, 2, generator=generator)
    return torch.cat((*labels, centres, sizes**2 * 0.6 + 0.01), 1)


def time_loss(kind: torch.memory_format) -> None:
    """Print the times of the loss in one memory format."""
    generator = torch.Generator().manual_seed(0)
    config = official("yolov5n", CLASSES)
    shape = BATCH, config.anchors_per_level * config.outputs_per_anchor
    logits = [torch.randn(*shape, SIDE // s, SIDE // s, generator=generator) for s in config.strides]
    logits = [level.contiguous(memory_format=kind).requires_grad_() for level in logits]
    loss, boxes = losses.DetectionLoss(config, TrainingOptions(), SIDE), targets(generator)
    ours = losses._pick
    for name, pick in (("ours", ours), ("indexed", indexed), ("copied", copied)):
        losses._pick = pick
        print(f"  loss, {name:8s} forward {best(lambda: loss(logits, boxes)):6.1f}", end="")
        print(f"  with backward {best(lambda: _both(loss, logits, boxes)):6.1f}")
    losses._pick = ours


def _both(loss: losses.DetectionLoss, logits: Sequence[Tensor], boxes: Tensor) -> None:
    for level in logits:
        level.grad = None
    loss(logits, boxes)[0].backward()


def time_steps(variant: str) -> None:
    """Print the times of optimiser and average."""
    model = YOLOv5(official(variant))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    average = EMA(model)
    print(f"  {variant}: average {best(lambda: average.update(model)):.2f}", end="")
    for name in (Optimizer.sgd, Optimizer.adamw):
        optimizer = make_optimizer(model, TrainingOptions(optimizer=name), BATCH)
        print(f", {name} {best(optimizer.step):.2f}", end="")
    print()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
    print(f"milliseconds, best of {ROUNDS}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for memory_format in (torch.contiguous_format, torch.channels_last):
        print(memory_format)
        time_loss(memory_format)
    for variant in ("yolov5n", "yolov5s"):
        time_steps(variant)
