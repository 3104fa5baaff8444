"""The largest batch that fits into memory."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training.loss import DetectionLoss
from backends.yolov5.training.memory import GpuMeter, Meter
from backends.yolov5.training.options import TrainingOptions
from backends.yolov5.training.precision import autocast

MOST = 1024
"""Larger batches are not looked for."""
_BOXES = 8
_GIB = 2**30
_COPIES = 3
"""Weights that come on top of those of a bare step: the average and up to two moments of the optimiser."""


def largest_batch(
    model: YOLOv5,
    imgsz: int,
    device: torch.device,
    fraction: float = 0.75,
    *,
    meter: Meter | None = None,
    kind: torch.dtype | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
    most: int = MOST,
) -> tuple[int, str]:
    """A batch whose training steps take ``fraction`` of the memory: a power of two, over 16 a multiple of 8.

    Steps of a few sizes are measured on a copy of the model; what a step takes grows linearly with its pictures.
    On a GPU the result is tried, and lowered until it fits.

    Args:
        model: To be trained; not changed.
        imgsz: Side of the square input, pixels.
        device: Where to train.
        fraction: Of the memory that is free or held by this process already.
        meter: How to measure; may be None on a GPU.
        kind: Mixed precision, as :func:`~backends.yolov5.training.precision.amp_type` gives it.
        memory_format: Of model and pictures.
        most: The largest batch that makes sense.

    Returns:
        The batch, for one process, and a line that tells how it was found.

    Raises:
        TrainingError: Memory is too small for a single step.
    """
    meter = meter or GpuMeter(device)
    trial = _Trial(model, imgsz, device, kind, memory_format)
    fixed, each = _measure(trial, meter, _first(model, imgsz, device), most)
    room = meter.room()
    copies = _COPIES * sum(parameter.nbytes for parameter in model.parameters())
    fixed += copies
    batch = _rounded(min(int((fraction * room - fixed) / each), most))
    if device.type == "cuda":
        batch = _verified(trial, meter, batch, fraction * room - copies)
    return batch, (
        f"batch={batch}: a step takes {fixed / _GIB:.2f} GiB and {each / _GIB:.3f} GiB per image, "
        f"{(fixed + batch * each) / _GIB:.2f} GiB of {room / _GIB:.2f}"
    )


def _first(model: YOLOv5, imgsz: int, device: torch.device) -> int:
    """Pictures of the first step: on a GPU work space would hide what a single one takes."""
    if device.type == "cuda":
        return 8
    return 1 if imgsz > max(model.config.strides) else 2  # a normalisation needs two values


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
        """Forward and backward with so many pictures."""
        pictures = torch.full((batch, 3, self.imgsz, self.imgsz), 0.5, device=self.device)
        pictures = pictures.to(memory_format=self.format)
        try:
            with autocast(self.kind, self.device):
                logits = self.model(pictures)
            self.loss(logits, _targets(batch, self.device))[0].backward()  # type: ignore[no-untyped-call]
        finally:
            self.model.zero_grad(set_to_none=True)

    def peak(self, meter: Meter, batch: int) -> int | None:
        """Bytes held at the peak of a step; None where it does not fit."""
        try:
            return meter.peak(lambda: self.step(batch))
        except (MemoryError, RuntimeError) as error:
            if not _exhausted(error):
                raise
            return None


def _targets(batch: int, device: torch.device) -> Tensor:
    """As many boxes a picture as usual, of all sizes."""
    sizes = torch.linspace(0.05, 0.8, _BOXES, device=device)
    boxes = torch.stack((*(torch.zeros_like(sizes),) * 2, *(torch.full_like(sizes, 0.5),) * 2, sizes, sizes), 1)
    targets = boxes.repeat(batch, 1)
    targets[:, 0] = torch.arange(batch, device=device).repeat_interleave(_BOXES)
    return targets


def _exhausted(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _measure(trial: _Trial, meter: Meter, batch: int, most: int) -> tuple[float, float]:
    """Bytes of a step without pictures, and of each picture, from steps of ``batch`` and more pictures.

    What the allocator kept from before hides the growth of small steps, and part of that of the first one that
    grows: the growth after that one counts.
    """
    low = trial.peak(meter, batch)
    while low is None and batch > 1:
        batch //= 2
        low = trial.peak(meter, batch)
    if low is None:
        raise TrainingError(
            f"memory does not hold a training step with one image of {trial.imgsz} pixels",
            "try a smaller imgsz or a smaller model",
        )
    hidden = True
    room = meter.room()  # a system out of main memory kills, so nothing is tried that might take more
    while 2 * batch <= most and 2 * low <= room and (high := trial.peak(meter, 2 * batch)) is not None:
        each = (high - low) / batch
        if each > 0 and not hidden:
            return low - batch * each, each
        hidden, batch, low = each <= 0, 2 * batch, high
    return 0.0, low / batch  # more than it is: all counts as growth


def _rounded(batch: int) -> int:
    if batch >= 16:
        return batch // 8 * 8
    return 1 << (max(batch, 1).bit_length() - 1)


def _verified(trial: _Trial, meter: Meter, batch: int, limit: float) -> int:
    """The batch, or the next smaller one whose step stays within ``limit`` bytes."""
    while batch > 1 and ((peak := trial.peak(meter, batch)) is None or peak > limit):
        batch = _rounded(batch - 1)
    return batch
