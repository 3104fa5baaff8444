"""How much memory a step takes, on a GPU and in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch


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
