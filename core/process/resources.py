"""CPU cores that this process can use, its peak resident memory, and a description of the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


def usable_cores(topology: Path = TOPOLOGY, cgroup: Path = CGROUP) -> int:
    """Return the number of physical cores within the CPU affinity and the container's quota; 0 if unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    cores = {_siblings(topology, cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min([len(cores), *_quota(cgroup)]))


def _siblings(topology: Path, cpu: int) -> str:
    """Return the hardware threads of the core of ``cpu``, as the kernel writes them."""
    try:
        return (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8").strip()
    except OSError:
        return str(cpu)


def _quota(cgroup: Path) -> list[int]:
    """Return the CPU quota of a container, rounded up to whole cores; empty without a quota."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text(encoding="utf-8") for name in names).split()
        except (OSError, ValueError):
            continue
        return [-(-int(quota) // int(period))] if quota.isdigit() else []
    return []


_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def reset_peak() -> bool:
    """Start a new measurement; return False if only the peak since the start of the process is available."""
    try:
        _CLEAR.write_text("5", encoding="utf-8")  # Linux: resets VmHWM to the current size
    except OSError:
        return False
    return True


def peak() -> int:
    """Return the peak resident memory since :func:`reset_peak` in bytes; 0 if unknown."""
    try:
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def machine() -> dict[str, str]:
    """Return operating system, processor and number of usable cores."""
    return {"system": platform.platform(), "processor": _processor(), "cores": str(usable_cores() or os.cpu_count())}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
