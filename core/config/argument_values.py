"""The value of one argument: a path, a list, a sweep or a text."""

from __future__ import annotations

import glob
import os
from itertools import accumulate
from typing import TYPE_CHECKING

from core.errors import HooklineError, shown

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

NAME_BYTES, PATH_BYTES = 255, 4095
"""What Linux allows for one name and for a path."""
OUTPUTS = frozenset({"hydra.run.dir", "hydra.sweep.dir", "store"})
"""Options that name a folder which a run may create."""


def check_names(key: str, text: str) -> None:
    """Refuse a path that no file system can hold, and an address for a folder that would be created."""
    if key in OUTPUTS and "://" in text and not exists(text):
        raise HooklineError(f"{key}={shown(text)} is an address, not a path", "give a folder on this machine")
    longest = max(len(os.fsencode(part)) for part in text.split("/"))
    size = len(os.fsencode(text))
    if not text.startswith(("[", "{", "'", '"')) and "://" not in text and (longest > NAME_BYTES or size > PATH_BYTES):
        raise HooklineError(
            f"{key}={shown(text)} is not a path: a name has at most {NAME_BYTES} bytes, a path {PATH_BYTES}",
            "give an existing path",
        )


def depth(text: str) -> int:
    """Return how deep brackets nest, those in quotes included."""
    steps = (1 if sign in "[{(" else -1 for sign in text if sign in "[{()}]")
    return max(accumulate(steps), default=0)


def is_text(found: Override, text: str) -> bool:
    """Return whether the grammar takes a value as it was typed."""
    if found.is_sweep_override() or "${" in text:
        return False
    value = found.value()
    return isinstance(value, str | int | float) and not isinstance(value, bool) and str(value) == text


def exists(text: str) -> bool:
    """Return whether a file or folder has exactly this name or, for a glob, its folder without patterns."""
    path = os.path.expanduser(text)  # noqa: PTH111  Path.expanduser raises where there is no such user
    if os.path.lexists(path):
        return True
    parts = path.split("/")
    magic = next((index for index, part in enumerate(parts) if glob.has_magic(part)), 0)
    return magic > 0 and os.path.isdir("/".join(parts[:magic]) or "/")  # noqa: PTH112


def alternatives(item: Override) -> list[object]:
    """Return the value of an option, or the values of a sweep."""
    if not item.is_sweep_override():
        return [item.value()]
    if not item.is_discrete_sweep() or (item.value_type and "GLOB" in item.value_type.name):
        return []
    values = list(item.sweep_iterator())
    return [getattr(value, "text", value) for value in values]
