"""Mixed precision, and the check that loss and gradient stay finite."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError
from core.options.training import Amp


class _PendingValue(NamedTuple):
    """A value that is not checked yet; ``copied`` is the event of its copy from a GPU."""

    value: Tensor
    copied: torch.cuda.Event | None
    name: str
    where: str


class Finite:
    """Raises an error for the first value that is not finite.

    A value of a GPU is checked when the next one arrives: waiting for it at once would leave the GPU idle.

    Args:
        device: Device of the values.
    """

    def __init__(self, device: torch.device) -> None:
        self._deferred = device.type == "cuda"
        self._pending: _PendingValue | None = None

    def check(self, value: Tensor, name: str, where: str) -> None:
        """Check the scalar ``value``, or on a GPU the previous one.

        Raises:
            TrainingError: The checked value is not finite.
        """
        self.settle()
        host, copied = value.detach().to("cpu", non_blocking=True), None
        if self._deferred:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._pending = _PendingValue(host, copied, name, where)
        if not self._deferred:
            self.settle()

    def settle(self) -> None:
        """Check the pending value; call this before writing checkpoints.

        Raises:
            TrainingError: The value is not finite.
        """
        if self._pending is None:
            return
        (value, copied, name, where), self._pending = self._pending, None
        if copied is not None:
            copied.synchronize()
        if not math.isfinite(number := value.item()):
            raise TrainingError(
                f"the {name} became {number:g} {where}",
                "try a smaller train.lr0 or train.amp=off, and check these images; the last good checkpoint was kept",
            )


TYPES = {Amp.fp16: torch.float16, Amp.bf16: torch.bfloat16}


def amp_type(wanted: Amp, device: torch.device) -> torch.dtype | None:
    """Return the type of mixed precision; None for float32.

    Raises:
        TrainingError: float16 is requested on a CPU, or bfloat16 on a GPU without it.
    """
    if wanted is Amp.off or (wanted is Amp.auto and device.type != "cuda"):
        return None
    if wanted is Amp.auto:
        return torch.bfloat16 if _has_bf16(device) else torch.float16
    if wanted is Amp.fp16 and device.type != "cuda":
        raise TrainingError(
            "train.amp=fp16 needs a CUDA GPU, but this training runs on the CPU", "use train.amp=off or bf16"
        )
    if wanted is Amp.bf16 and device.type == "cuda" and not _has_bf16(device):
        raise TrainingError(f"{torch.cuda.get_device_name(device)} has no bf16", "use train.amp=fp16")
    return TYPES[wanted]


def _has_bf16(device: torch.device) -> bool:
    """Return whether the GPU supports bfloat16 in hardware; ``torch.cuda.is_bf16_supported`` includes emulation."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def autocast(kind: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """Return the autocast context of the type; None: float32."""
    return nullcontext() if kind is None else torch.autocast(device.type, kind)


def scaler(kind: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """Return a gradient scaler, enabled for float16 only."""
    return torch.amp.GradScaler(device.type, enabled=kind is torch.float16)
