"""How much memory there is to use."""

from __future__ import annotations

from pathlib import Path

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of the group that a container runs in, version 2 and version 1."""


def available_memory() -> int | None:
    """Bytes that may be taken without swapping or being killed; None where the system does not tell."""
    free = [value for value in (_machine(), *(_group(*files) for files in _CGROUPS)) if value is not None]
    return min(free, default=None)


def _machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _group(limit: str, used: str) -> int | None:
    """What a limited group has left, its file cache counted as used; None where there is no limit."""
    try:
        return max(int(Path(limit).read_text()) - int(Path(used).read_text()), 0)
    except (OSError, ValueError):
        return None
