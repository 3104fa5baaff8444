"""Dataclasses to JSON values and back, driven by their annotations."""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any


def encode(value: Any) -> Any:
    """A JSON value for a dataclass, Enum, Path, mapping, sequence or plain value.

    Raises:
        TypeError: Something that has no JSON form.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: encode(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [encode(item) for item in items]
    raise TypeError(f"{type(value).__name__} {value!r} has no JSON form")


def decode(hint: Any, value: Any) -> Any:
    """The inverse of :func:`encode` for a value annotated ``hint``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        members = [member for member in arguments if member is not type(None)]
        return None if value is None else decode(members[0], value)
    if origin is tuple:
        return tuple(decode(arguments[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: decode(arguments[1], item) for key, item in value.items()}
    if origin is not None:  # in Python 3.10 list[int] is an instance of type: it must not go on
        return value
    if isinstance(hint, type) and is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        known = {item.name for item in fields(hint)}
        return hint(**{key: decode(hints[key], item) for key, item in value.items() if key in known})
    if isinstance(hint, type) and issubclass(hint, Enum | Path):
        return hint(value)
    return value


def digest(value: Any) -> str:
    """sha256, hexadecimal, of the canonical JSON of ``value``."""
    text = json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
