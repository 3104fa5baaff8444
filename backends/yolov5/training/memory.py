"""Memory during training: available bytes, errors when it is exhausted, meters of a GPU and of this process, glibc."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    Path("/sys/fs/cgroup"),
    Path("/sys/fs/cgroup/memory"),
)
"""Folders with limit and use of the control group of a container, versions 2 and 1."""

_LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE = {"inactive_file", "active_file"}
"""Counters of memory that the kernel reclaims when it is needed."""


def available_memory() -> int | None:
    """Return the bytes that can be allocated without swapping or an OOM kill; None if they are not known."""
    groups = (_cgroup_memory(folder, *names) for folder in CGROUPS for names in _LIMITS)
    free = [value for value in (_machine_memory(), *groups) if value is not None]
    return min(free, default=None)


def _machine_memory() -> int | None:
    try:
        return _numbers(MEMINFO)["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _cgroup_memory(folder: Path, limit: str, used: str) -> int | None:
    """Return the remaining bytes of a control group; None if it has no limit."""
    try:
        taken = int((folder / used).read_text(encoding="utf-8")) - int((folder / limit).read_text(encoding="utf-8"))
        numbers = _numbers(folder / "memory.stat")
    except (OSError, ValueError):
        return None
    return max(sum(numbers.get(name, 0) for name in _CACHE) - taken, 0)


def _numbers(file: Path) -> dict[str, int]:
    """Parse lines of a name, a number and an optional unit."""
    return {
        words[0]: int(words[1])
        for line in file.read_text(encoding="utf-8").splitlines()
        if len(words := line.split()) > 1
    }


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


def is_exhausted(error: Exception) -> bool:
    """Return whether the error is that of Python or of PyTorch, on a GPU or a CPU, for exhausted memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


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
