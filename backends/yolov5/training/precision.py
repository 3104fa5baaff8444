"""Mixed precision: which type, and the scaler that float16 needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from backends.yolov5.errors import TrainingError
from core.training_choices import Amp

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
