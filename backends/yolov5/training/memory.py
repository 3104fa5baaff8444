"""Memory meters of a GPU and of this process, and the setting that makes glibc keep freed memory."""

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
    """Make glibc keep large freed blocks instead of returning them to the system; return whether it succeeded.

    Every batch allocates the same features. Getting their pages from the system takes more than a third of a training
    step. Kept blocks remain part of the process's memory until it ends.
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
        """Return the total bytes that this process could use: its current use plus the free memory."""
        ...

    def peak(self, step: Callable[[], None]) -> int:
        """Run ``step`` and return the peak of bytes that this process used."""
        ...


@dataclass(frozen=True)
class GpuMeter:
    """Meter of the memory that PyTorch reserves on a CUDA GPU.

    Attributes:
        device: The GPU.
    """

    device: torch.device

    def room(self) -> int:
        """Return the bytes that PyTorch has reserved plus the free ones."""
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device)

    def peak(self, step: Callable[[], None]) -> int:
        """Run ``step`` and return the peak of reserved bytes, gaps between tensors included."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        step()
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_reserved(self.device)


@dataclass(frozen=True)
class ProcessMeter:
    """Meter of the resident memory of this process.

    Attributes:
        reset: Starts a new measurement of the peak.
        highest: Returns the peak since the last reset, bytes.
        available: Returns the bytes that are free for this process.
    """

    reset: Callable[[], object]
    highest: Callable[[], int]
    available: Callable[[], int]

    def room(self) -> int:
        """Return the resident bytes plus the available ones."""
        self.reset()
        return self.highest() + self.available()

    def peak(self, step: Callable[[], None]) -> int:
        """Run ``step`` and return the peak of resident bytes, including memory that the allocator kept before."""
        self.reset()
        step()
        return self.highest()
