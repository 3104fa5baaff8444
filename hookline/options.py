"""Python values as arguments of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum

from core.errors import HooklineError, shown
from core.files.quoting import hydra_quoted


def arguments(options: Mapping[str, object]) -> list[str]:
    """Return ``name=value`` for each option that is given, i.e. not None.

    Text means itself, whatever characters it has: a path needs no quotes.

    Raises:
        HooklineError: A value is neither text, a path, a number, a truth value nor a list of these; arrays and
            scalars of NumPy count as lists and numbers.
    """
    return [f"{name}={_text(name, value)}" for name, value in options.items() if value is not None]


def plain(value: object) -> object:
    """Return a scalar or an array of NumPy as Python's number or list; every other value unchanged."""
    return value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value


def _text(name: str, value: object) -> str:
    value = plain(value)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | os.PathLike):
        return hydra_quoted(os.fspath(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(name, item) for item in value)}]"
    raise HooklineError(f"{name}={shown(value)} is not possible", "give text, a path, a number, or a list of these")
