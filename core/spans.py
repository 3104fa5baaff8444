"""What ``build.batch=`` and ``build.imgsz=`` mean: one number, or ``{min: 1, opt: 8, max: 16}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from core.errors import HooklineError, shown
from core.imgsz import network_size
from core.ranges import Range

T = TypeVar("T", int, tuple[int, int])
WORDS = ("min", "opt", "max")
BATCH = Range(1, 65536, whole=True)
"""Images per inference."""


@dataclass(frozen=True)
class Span(Generic[T]):
    """A range of sizes: ``build.batch='{min: 1, opt: 8, max: 16}'``. One number is a span with three equal values.

    Attributes:
        min: The smallest size that the engine must take.
        opt: The size that it is to be fastest at.
        max: The largest size.
    """

    min: T
    opt: T
    max: T

    @property
    def fixed(self) -> bool:
        """Whether there is only one value."""
        return self.min == self.max


def read_batch(value: object) -> Span[int]:
    """Pictures a call.

    Raises:
        HooklineError: No whole numbers from 1, words other than min, opt and max, or not in this order.
    """
    return _read(value, "build.batch", _batch)


def read_size(value: object, max_stride: int = 1) -> Span[tuple[int, int]]:
    """Height and width of the input, multiples of ``max_stride``.

    Raises:
        HooklineError: As :func:`read_batch`, and where a size is no multiple.
    """
    return _read(value, "build.imgsz", lambda size: network_size(size, max_stride))


def _batch(value: object) -> int:
    if not isinstance(value, int) or value not in BATCH:
        raise HooklineError(f"{shown(value)} is not a number of images", f"possible: {BATCH}")
    return value


def _read(value: object, word: str, one: Callable[[object], T]) -> Span[T]:
    try:
        if not isinstance(value, Mapping):
            only = one(value)
            return Span(only, only, only)
        if set(value) != set(WORDS):
            named = ", ".join(map(str, islice(value, 4))) or "nothing"
            raise HooklineError(f"it names {named}", "give min, opt and max")
        span = Span(*(one(value[name]) for name in WORDS))
    except HooklineError as error:
        raise HooklineError(f"{word}={_shown(value)}: {error.message}", error.hint) from None
    if not (_within(span.min, span.opt) and _within(span.opt, span.max)):
        raise HooklineError(f"{word}={_shown(value)} is not in order", "it must be min <= opt <= max")
    return span


def _within(least: int | tuple[int, int], greatest: int | tuple[int, int]) -> bool:
    pairs = ((item if isinstance(item, tuple) else (item,)) for item in (least, greatest))
    return all(one <= other for one, other in zip(*pairs, strict=True))


def _shown(value: object) -> str:
    """As it is written on a command line."""
    if not isinstance(value, Mapping):
        return shown(value)
    return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in islice(value.items(), 4)) + "}"
