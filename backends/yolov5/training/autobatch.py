"""``train.batch=auto``: the largest batch that fits into memory."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.memory import GpuMeter, Meter, is_exhausted
from backends.yolov5.training.options import TrainingOptions
from backends.yolov5.training.precision import autocast

MAX_BATCH = 1024
"""Maximum batch that is tried."""
_BOXES = 8
_GIB = 2**30
_COPIES = 3
"""Copies of the weights that a measured step does not have: the EMA and up to two moments of the optimizer."""


def largest_batch(
    model: YOLOv5,
    imgsz: int,
    device: torch.device,
    fraction: float = 0.75,
    *,
    meter: Meter | None = None,
    kind: torch.dtype | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
    limit: int = MAX_BATCH,
) -> tuple[int, str]:
    """Return the largest batch of which a training step fits into ``fraction`` of the memory.

    The batch is a power of two, from 16 on a multiple of 8. Steps of a few sizes are measured with a copy of the model;
    memory grows linearly with the number of images. On a GPU the result is verified, and reduced until it fits.

    Args:
        model: The network to train; not modified.
        imgsz: Side of the square input, pixels.
        device: Training device.
        fraction: Fraction of the memory that is free or already used by this process.
        meter: Measures memory; None for a :class:`GpuMeter`.
        kind: Type of mixed precision, from :func:`~backends.yolov5.training.precision.amp_type`.
        memory_format: Memory format of model and images.
        limit: Maximum batch.

    Returns:
        The batch of one process, and a line that explains it.

    Raises:
        TrainingError: The memory is too small for a step with one image.
    """
    meter = meter or GpuMeter(device)
    trial = _Trial(model, imgsz, device, kind, memory_format)
    fixed, each = _measure(trial, meter, _first(model, imgsz, device), limit)
    available = meter.room()
    copies = _COPIES * sum(parameter.nbytes for parameter in model.parameters())
    fixed += copies
    batch = _rounded(min(int((fraction * available - fixed) / each), limit))
    if device.type == "cuda":
        batch = _verified(trial, meter, batch, fraction * available - copies)
    return batch, (
        f"batch={batch}: a step takes {fixed / _GIB:.2f} GiB and {each / _GIB:.3f} GiB per image, "
        f"{(fixed + batch * each) / _GIB:.2f} GiB of {available / _GIB:.2f}"
    )


def _first(model: YOLOv5, imgsz: int, device: torch.device) -> int:
    """Return the batch of the first step; on a GPU, workspaces would hide the memory of a single image."""
    if device.type == "cuda":
        return 8
    return 1 if imgsz > max(model.config.strides) else 2  # batch normalisation needs two values per channel


class _Trial:
    """Training steps with a copy of a model."""

    def __init__(
        self,
        model: YOLOv5,
        imgsz: int,
        device: torch.device,
        kind: torch.dtype | None,
        memory_format: torch.memory_format,
    ) -> None:
        self.model = copy.deepcopy(model).to(device=device, memory_format=memory_format).train()  # type: ignore[call-overload]
        self.loss = DetectionLoss(model.config, TrainingOptions(), imgsz)
        self.imgsz, self.device, self.kind, self.format = imgsz, device, kind, memory_format

    def step(self, batch: int) -> None:
        """Run forward and backward with ``batch`` images."""
        images = torch.full((batch, 3, self.imgsz, self.imgsz), 0.5, device=self.device)
        images = images.to(memory_format=self.format)
        try:
            with autocast(self.kind, self.device):
                logits = self.model(images)
            self.loss(logits, _targets(batch, self.device))[0].backward()  # type: ignore[no-untyped-call]
        finally:
            self.model.zero_grad(set_to_none=True)

    def peak(self, meter: Meter, batch: int) -> int | None:
        """Return the peak of a step in bytes; None if it does not fit into memory."""
        try:
            return meter.peak(lambda: self.step(batch))
        except (MemoryError, RuntimeError) as error:
            if not is_exhausted(error):
                raise
            return None


def _targets(batch: int, device: torch.device) -> Tensor:
    """Return a typical number of boxes per image, of all sizes."""
    sizes = torch.linspace(0.05, 0.8, _BOXES, device=device)
    boxes = torch.stack((*(torch.zeros_like(sizes),) * 2, *(torch.full_like(sizes, 0.5),) * 2, sizes, sizes), 1)
    targets = boxes.repeat(batch, 1)
    targets[:, 0] = torch.arange(batch, device=device).repeat_interleave(_BOXES)
    return targets


def _measure(trial: _Trial, meter: Meter, batch: int, limit: int) -> tuple[float, float]:
    """Return the bytes of a step without images and the bytes per image, from steps of ``batch`` and more images.

    Memory that the allocator kept before hides the growth of small steps, and part of the first growth: only the next
    one counts.
    """
    low = trial.peak(meter, batch)
    while low is None and batch > 1:
        batch //= 2
        low = trial.peak(meter, batch)
    if low is None:
        raise TrainingError(
            f"the memory is too small for a training step with one image of {trial.imgsz} pixels",
            "try a smaller imgsz or a smaller model",
        )
    hidden = True
    available = meter.room()  # on a CPU the kernel kills processes when memory is exhausted: never try more
    while 2 * batch <= limit and 2 * low <= available and (high := trial.peak(meter, 2 * batch)) is not None:
        each = (high - low) / batch
        if each > 0 and not hidden:
            return low - batch * each, each
        hidden, batch, low = each <= 0, 2 * batch, high
    return 0.0, low / batch  # an upper bound: all memory counts as growth


def _rounded(batch: int) -> int:
    if batch >= 16:
        return batch // 8 * 8
    return 1 << (max(batch, 1).bit_length() - 1)


def _verified(trial: _Trial, meter: Meter, batch: int, limit: float) -> int:
    """Return the batch, or the next smaller one whose step needs at most ``limit`` bytes."""
    while batch > 1 and ((peak := trial.peak(meter, batch)) is None or peak > limit):
        batch = _rounded(batch - 1)
    return batch
