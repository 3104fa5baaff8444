"""Conversion of dataclasses to JSON values and back, by their annotations."""

from __future__ import annotations

import json
import math
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Protocol, TypeAlias, TypeVar, overload

from core.errors import shown
from core.storage.digest import text_digest

MAX_SHOWN = 40
"""Maximum number of characters of a key in a message."""

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""A JSON value. Fields for :func:`decode` are annotated ``object`` instead."""

HintT = TypeVar("HintT")


class DataclassInstance(Protocol):
    """An instance of any dataclass, e.g. the options of a stage."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


class DecodeError(ValueError):
    """A value has the wrong type or range; the message begins with its dotted path."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)


@overload
def encode(value: DataclassInstance | Mapping[str, object]) -> dict[str, Json]: ...
@overload
def encode(value: object) -> Json: ...
def encode(value: object) -> Json:
    """Return the JSON value of a dataclass, Enum, Path, mapping, sequence or plain value.

    A whole number in a field annotated ``float`` becomes a float, so that equal dataclasses give equal text.

    Raises:
        TypeError: A value has no JSON form.
    """
    if isinstance(value, Enum):
        member: object = value.value
        return encode(member)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {item.name: encode(_with_floats(hints[item.name], getattr(value, item.name))) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    raise TypeError(f"{type(value).__name__} {shown(value)} has no JSON form")


def json_text(value: object, indent: int | None = None) -> str:
    """Return a JSON value as text that can be encoded as UTF-8.

    Bytes of file names that are not UTF-8 are escaped; ``json.loads`` restores them.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def parse(text: str | bytes) -> Json:
    """Return the value of a JSON text.

    Raises:
        DecodeError: The text is not JSON, has NaN or Infinity, repeats a key, or is nested too deeply.
    """
    try:
        value: Json = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except DecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise DecodeError("", f"not JSON ({error})") from error
    return value


@overload
def decode(hint: type[HintT], value: object, place: str = "") -> HintT: ...
@overload
def decode(hint: object, value: object, place: str = "") -> object: ...
def decode(hint: object, value: object, place: str = "") -> object:
    """Return the value of type ``hint`` for a JSON value, the inverse of :func:`encode`.

    Args:
        hint: str, int, float, bool, object, an Enum, a Literal of strings, Path, a dataclass, or a tuple, list, Mapping
            or union of such types.
        value: The JSON value; ``object`` accepts any.
        place: Its dotted path, for messages.

    Raises:
        DecodeError: A value has another type, a number is not finite, or a key is missing or unknown.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _one_of(arguments, value, place)
    if origin is Literal:
        return value if type(value) is str and value in arguments else _unlisted(place, arguments, value)
    if origin is tuple:
        return _tuple(arguments, value, place)
    if origin is list:
        return [decode(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(_list(value, place))]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: decode(arguments[1], item, _below(place, key)) for key, item in _object(value, place).items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass(hint, _object(value, place), place)
    return _plain(hint, value, place)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value`` as hexadecimal text."""
    return text_digest(json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True))


@cache
def _hints(kind: type[DataclassInstance]) -> Mapping[str, object]:
    return typing.get_type_hints(kind)


def _with_floats(hint: object, value: object) -> object:
    """Return ``value`` with whole numbers converted to float where ``hint`` is float."""
    arguments = typing.get_args(hint)
    if isinstance(value, int) and not isinstance(value, bool | Enum):
        return float(value) if hint is float or (float in arguments and int not in arguments) else value
    if isinstance(value, tuple) and typing.get_origin(hint) is tuple:
        return tuple(_with_floats(item_hint, item) for item_hint, item in _paired(arguments, value))
    if isinstance(value, Mapping) and len(arguments) == 2:
        return {key: _with_floats(arguments[1], item) for key, item in value.items()}
    return value


def _paired(hints: tuple[object, ...], items: Iterable[object]) -> Iterable[tuple[object, object]]:
    """Return pairs of annotation and item of a tuple."""
    if len(hints) == 2 and hints[1] is Ellipsis:
        return ((hints[0], item) for item in items)
    return zip(hints, items, strict=True)


def _one_of(hints: tuple[object, ...], value: object, place: str) -> object:
    if value is None and type(None) in hints:
        return None
    members = [hint for hint in hints if hint is not type(None)]
    for hint in members[:-1]:
        with suppress(DecodeError):
            return decode(hint, value, place)
    return decode(members[-1], value, place)


def _tuple(hints: tuple[object, ...], value: object, place: str) -> tuple[object, ...]:
    items = _list(value, place)
    if Ellipsis not in hints and len(items) != len(hints):
        raise DecodeError(place, f"expected {len(hints)} items, got {len(items)}")
    return tuple(decode(hint, item, f"{place}[{index}]") for index, (hint, item) in enumerate(_paired(hints, items)))


def _dataclass(kind: type[DataclassInstance], value: Mapping[str, object], place: str) -> DataclassInstance:
    names = [item.name for item in fields(kind)]
    for key in value:
        if key not in names:
            raise DecodeError(_below(place, key), "unknown key")
    for name in names:
        if name not in value:
            raise DecodeError(_below(place, name), "missing")
    hints = _hints(kind)
    return kind(**{name: decode(hints[name], value[name], _below(place, name)) for name in names})


def _plain(hint: object, value: object, place: str) -> object:
    if hint is object or hint is Any:
        return value
    if hint is bool:
        return value if isinstance(value, bool) else _wrong(place, "true or false", value)
    if hint is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole else _wrong(place, "a whole number", value)
    if hint is float:
        return _float(value, place)
    if hint is str:
        return value if isinstance(value, str) else _wrong(place, "a string", value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        possible = [member.value for member in hint]
        return hint(value) if type(value) is str and value in possible else _unlisted(place, possible, value)
    if isinstance(hint, type) and issubclass(hint, Path):
        return hint(value) if isinstance(value, str) and value and "\0" not in value else _wrong(place, "a path", value)
    raise TypeError(f"a value annotated {hint} cannot be decoded")


def _float(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong(place, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    return number if math.isfinite(number) else _wrong(place, "a finite number", value)


def _list(value: object, place: str) -> list[object]:
    return value if isinstance(value, list) else _wrong(place, "a list", value)


def _object(value: object, place: str) -> dict[str, object]:
    return value if isinstance(value, dict) else _wrong(place, "an object", value)


def _unlisted(place: str, possible: Iterable[object], value: object) -> NoReturn:
    _wrong(place, f"one of {', '.join(map(str, possible))}", value)


def _wrong(place: str, expected: str, value: object) -> NoReturn:
    raise DecodeError(place, f"expected {expected}, got {shown(value)}")


def _below(place: str, key: str) -> str:
    return f"{place}.{key[:MAX_SHOWN]}" if place else key[:MAX_SHOWN]


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise DecodeError(repeated[:MAX_SHOWN], "occurs twice")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise DecodeError("", f"{text} is not a JSON number")
