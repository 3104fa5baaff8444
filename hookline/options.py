"""Check the arguments of functions, and convert them to arguments of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum

from core.errors import HooklineError, shown
from core.files.quoting import hydra_quoted
from core.options.ranges import Range, out_of_range

COUNT = Range(1, whole=True)
"""Valid values of an argument that is a number of items."""


def arguments(options: Mapping[str, object]) -> list[str]:
    """Return ``name=value`` for each option that is not None.

    Text is quoted, so that it can contain any characters.

    Args:
        options: Text, paths, numbers, bools, enumerations, and lists of these, by name. Arrays and scalars of NumPy are
            converted.

    Raises:
        HooklineError: A value has another type.
    """
    return [f"{name}={_text(name, value)}" for name, value in options.items() if value is not None]


def plain(value: object) -> object:
    """Convert a scalar or an array of NumPy to a Python number or list; return all other values unchanged."""
    return value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value


def check_range(name: str, value: object, possible: Range) -> None:
    """Refuse an argument of a function that is out of range.

    Raises:
        HooklineError: Gives the range.
    """
    if plain(value) not in possible:
        raise out_of_range(name, plain(value), possible)


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
