"""Peak resident memory of this process between two moments, where the system tells it."""

from __future__ import annotations

from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def reset_peak() -> bool:
    """Start a new measurement; False where only the peak since the start of the process is known."""
    try:
        _CLEAR.write_text("5", encoding="utf-8")  # Linux: resets VmHWM to the current size
    except OSError:
        return False
    return True


def peak() -> int:
    """Highest resident size since :func:`reset_peak`, bytes; 0 where the system does not tell."""
    try:
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
