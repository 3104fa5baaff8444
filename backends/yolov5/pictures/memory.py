"""How much memory there is to use."""

from __future__ import annotations

from pathlib import Path

MACHINE = Path("/proc/meminfo")
GROUPS = (
    Path("/sys/fs/cgroup"),
    Path("/sys/fs/cgroup/memory"),
)
"""Where the group that a container runs in says its limit and use, version 2 and version 1."""

_LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE = {"inactive_file", "active_file"}
"""What the kernel gives back when memory is wanted."""


def available_memory() -> int | None:
    """Bytes that may be taken without swapping or being killed; None where the system does not tell."""
    groups = (_group(folder, *names) for folder in GROUPS for names in _LIMITS)
    free = [value for value in (_machine(), *groups) if value is not None]
    return min(free, default=None)


def _machine() -> int | None:
    try:
        return _numbers(MACHINE)["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _group(folder: Path, limit: str, used: str) -> int | None:
    """What a limited group has left; None where there is no limit."""
    try:
        taken = int((folder / used).read_text(encoding="utf-8")) - int((folder / limit).read_text(encoding="utf-8"))
        numbers = _numbers(folder / "memory.stat")
    except (OSError, ValueError):
        return None
    return max(sum(numbers.get(name, 0) for name in _CACHE) - taken, 0)


def _numbers(file: Path) -> dict[str, int]:
    """Lines of a name and a number, perhaps with a unit."""
    return {
        words[0]: int(words[1])
        for line in file.read_text(encoding="utf-8").splitlines()
        if len(words := line.split()) > 1
    }
