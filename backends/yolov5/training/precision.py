"""Mixed precision; losses and gradients must stay finite."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from backends.yolov5.errors import TrainingError
from core.kinds.training import Amp


class _Open(NamedTuple):
    """A value that nobody has looked at; ``copied``: when a GPU has handed it over."""

    value: Tensor
    copied: torch.cuda.Event | None
    name: str
    where: str


class Finite:
    """Tells the first value that is not finite.

    A GPU's value is looked at when the next one comes: to wait for it at once would leave the GPU without work.

    Args:
        device: Where the values are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._late = device.type == "cuda"
        self._open: _Open | None = None

    def check(self, value: Tensor, name: str, where: str) -> None:
        """Look at ``value``, a scalar, or on a GPU at the one before.

        Raises:
            TrainingError: It is not finite.
        """
        self.settle()
        host, copied = value.detach().to("cpu", non_blocking=True), None
        if self._late:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copied.record()
        self._open = _Open(host, copied, name, where)
        if not self._late:
            self.settle()

    def settle(self) -> None:
        """Look at what is left; nothing may be written before.

        Raises:
            TrainingError: It is not finite.
        """
        if self._open is None:
            return
        (value, copied, name, where), self._open = self._open, None
        if copied is not None:
            copied.synchronize()
        if not math.isfinite(number := value.item()):
            raise TrainingError(
                f"the {name} became {number:g} {where}",
                "a smaller lr0, amp=off or a look at these images may help; the last good checkpoint was kept",
            )


TYPES = {Amp.fp16: torch.float16, Amp.bf16: torch.bfloat16}


def amp_type(wanted: Amp, device: torch.device) -> torch.dtype | None:
    """The type that convolutions compute in; None for float32.

    Raises:
        TrainingError: float16 is asked for on a CPU, or bfloat16 on a GPU without it.
    """
    if wanted is Amp.off or (wanted is Amp.auto and device.type != "cuda"):
        return None
    if wanted is Amp.auto:
        return torch.bfloat16 if _has_bf16(device) else torch.float16
    if wanted is Amp.fp16 and device.type != "cuda":
        raise TrainingError("amp=fp16 needs a CUDA GPU, and this training runs on the CPU", "use off or bf16")
    if wanted is Amp.bf16 and device.type == "cuda" and not _has_bf16(device):
        raise TrainingError(f"{torch.cuda.get_device_name(device)} has no bf16", "use amp=fp16")
    return TYPES[wanted]


def _has_bf16(device: torch.device) -> bool:
    """Whether the GPU computes in bfloat16 itself; ``torch.cuda.is_bf16_supported`` counts emulation too."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def autocast(kind: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """The block in which convolutions compute in ``kind``."""
    return nullcontext() if kind is None else torch.autocast(device.type, kind)


def scaler(kind: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """Keeps float16 gradients from vanishing; does nothing for the other types."""
    return torch.amp.GradScaler(device.type, enabled=kind is torch.float16)
