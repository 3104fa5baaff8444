"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Physical cores, fewer where the process's affinity or its container's CPU quota says so; at least 1."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return max(1, min([physical, *_affinity(), *_quota(cgroup)]))


def _affinity() -> list[int]:
    return [len(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else []


def _quota(cgroup: Path) -> list[int]:
    """The CPU quota of a container, rounded up to whole cores; empty where there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        return [-(-int(quota) // int(period))] if quota.isdigit() else []
    return []
