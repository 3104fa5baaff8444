"""``CUDA_VISIBLE_DEVICES``: what it names, and whether it leaves anything."""

from __future__ import annotations

from itertools import takewhile

from backends.system.host import Host
from core.kinds.check import Finding, broken

VISIBLE = "CUDA_VISIBLE_DEVICES"
SUBJECT = "visible GPUs"
UNSET = f"unset {VISIBLE}, or name GPUs as nvidia-smi -L lists them"


def entries(value: str) -> list[str]:
    """What a value names, up to the first negative number, at which CUDA stops."""
    return list(takewhile(lambda entry: not entry.startswith("-"), (entry.strip() for entry in value.split(","))))


def hidden(here: Host) -> Finding | None:
    """Why CUDA sees no GPU whatever is there, None where the variable leaves any. Reads nothing but the variable."""
    value = here.environment.get(VISIBLE)
    if value is None or any(entries(value)[:1]):
        return None
    return broken(SUBJECT, f"{VISIBLE}='{value}' hides every GPU", UNSET)
