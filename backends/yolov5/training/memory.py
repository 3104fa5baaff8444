"""Memory of a training step on a GPU and in this process, and how the C library keeps freed memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of mallopt(3)
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that are freed instead of giving them back to the system; whether it will.

    Every batch allocates the same features again. Fetching them from the system costs more than a third of a training
    step: each page is cleared and mapped anew. Kept blocks count as memory of the process until it ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _LARGEST))


class Meter(Protocol):
    """Measures one kind of memory."""

    def room(self) -> int:
        """Bytes that this process could hold in all: what it holds, and what is free."""
        ...

    def peak(self, step: Callable[[], None]) -> int:
        """Carry out ``step``; the most bytes that this process held meanwhile, in all."""
        ...


@dataclass(frozen=True)
class GpuMeter:
    """The memory of a CUDA GPU, as PyTorch reserves it.

    Attributes:
        device: The GPU.
    """

    device: torch.device

    def room(self) -> int:
        """What PyTorch has reserved, and what nobody has."""
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device)

    def peak(self, step: Callable[[], None]) -> int:
        """With the gaps between tensors, which are lost to others too."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        step()
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_reserved(self.device)


@dataclass(frozen=True)
class ProcessMeter:
    """The main memory of this process.

    Attributes:
        reset: Begins a new measurement of the peak.
        highest: The peak since then, bytes.
        available: Bytes that are free for this process.
    """

    reset: Callable[[], object]
    highest: Callable[[], int]
    available: Callable[[], int]

    def room(self) -> int:
        """Resident memory and what is available."""
        self.reset()
        return self.highest() + self.available()

    def peak(self, step: Callable[[], None]) -> int:
        """Resident memory, with what the allocator keeps from before."""
        self.reset()
        step()
        return self.highest()
