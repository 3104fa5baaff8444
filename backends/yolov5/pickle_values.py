"""The values that a checkpoint's pickle may hold in place of Python's functions, classes and objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from core.errors import with_article

NAME_LENGTH = 256
"""Maximum number of characters of the full name of a class or function."""
INTEGER_BITS = 1024
"""Maximum number of bits of an integer: Python's arithmetic on larger ones takes more than constant time. The seeds of
random generators have 128."""


class PickleError(ValueError):
    """The pickle is damaged, or holds a value that no checkpoint needs."""


@dataclass(frozen=True)
class Name:
    """The full name of a class, function or constant, which is never imported."""

    full: str


@dataclass(eq=False)
class StandIn:
    """A stand-in for an object whose class is never imported.

    Attributes:
        kind: Full name of the class.
        attributes: The state that the pickle gives the object.
    """

    kind: str
    attributes: dict[str, object] = field(default_factory=dict)


_KEYS = (str, int, float, bytes, type(None), Tensor, StandIn, Name)
"""Allowed types of keys: each is hashed in constant time. Hashing nested tuples can take exponential time."""


def checked_key(key: object) -> object:
    """Return ``key`` if it may be the key of a mapping or the member of a set.

    Raises:
        PickleError: Its type may take long to hash.
    """
    if not isinstance(key, _KEYS):
        raise PickleError(f"{with_article(type(key).__name__)} as a key")
    return key


def fill(target: dict[object, object], items: list[object]) -> dict[object, object]:
    """Add alternating keys and values to ``target``, and return it.

    Raises:
        PickleError: The last key has no value, or a key is not allowed.
    """
    if len(items) % 2:
        raise PickleError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[checked_key(key)] = value
    return target


def checked_name(module: object, name: object) -> str:
    """Return the full name of ``name`` in ``module``.

    Raises:
        PickleError: One of them is not text, or together they are too long.
    """
    if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > NAME_LENGTH:
        raise PickleError(f"a name that is not text of up to {NAME_LENGTH} characters")
    return f"{module}.{name}"


def checked_integer(value: int) -> int:
    """Return ``value``.

    Raises:
        PickleError: It has too many bits.
    """
    if value.bit_length() > INTEGER_BITS:
        raise PickleError(f"an integer of {value.bit_length():,} bits, more than {INTEGER_BITS:,}")
    return value
