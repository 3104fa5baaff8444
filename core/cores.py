"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


def usable_cores(topology: Path = TOPOLOGY, cgroup: Path = CGROUP) -> int:
    """Physical cores that affinity and the container's CPU quota leave; 0 where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    cores = {_siblings(topology, cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min([len(cores), *_quota(cgroup)]))


def _siblings(topology: Path, cpu: int) -> str:
    """The hardware threads of the core that ``cpu`` belongs to, as the kernel writes them."""
    try:
        return (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="utf-8").strip()
    except OSError:
        return str(cpu)


def _quota(cgroup: Path) -> list[int]:
    """The CPU quota of a container, rounded up to whole cores; empty where there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text(encoding="utf-8") for name in names).split()
        except (OSError, ValueError):
            continue
        return [-(-int(quota) // int(period))] if quota.isdigit() else []
    return []
