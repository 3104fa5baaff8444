"""Ranges of options: declared in the annotation of a field, checked by the plan, listed in docs/configuration.md.

Example::

    @dataclass
    class BlurConfig:
        rounds: Positive = 3
        strength: Annotated[float, Range(0, 10)] = 1.0
        batch: Annotated[Any, Range(1, 64, whole=True, words=("auto",))] = "auto"
        conf: Fraction | None = shared("conf")

The plan checks the options of all stages and parts, including those of plugins. A float without a range must be finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Annotated, get_args, get_origin, get_type_hints

from core.errors import HooklineError, shown
from core.media.choices import AUTO_DEPTH, FULL_DEPTH, MAX_DEPTH, MIN_DEPTH
from core.options.fields import FAMILIES
from core.storage.serial import DataclassInstance

LARGEST_INTEGER = 2**31 - 1
"""Default maximum of integers; larger ones overflow in libraries."""


@dataclass(frozen=True)
class Range:
    """The range of an option: ``strength: Annotated[float, Range(0, 10)] = 1.0``.

    The plan refuses values out of range before anything runs. ``+stage=<stage> --help`` shows the range; for a part,
    add the option that selects it, e.g. ``backend=mychip``. If the type has ``| None``, None is accepted.

    Attributes:
        low: Minimum.
        high: Maximum; None for 2147483647 (integers) or no limit (floats).
        above: Exclude ``low`` itself.
        whole: Accept integers only. Needed if the annotated type accepts other values.
        multiple: Accept only multiples of this number.
        words: Strings that are accepted in addition to numbers.
    """

    low: float
    high: float | None = None
    above: bool = False
    whole: bool = False
    multiple: int = 1
    words: tuple[str, ...] = ()

    def __contains__(self, value: object) -> bool:
        if isinstance(value, str):
            return value in self.words
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        high = LARGEST_INTEGER if self.high is None and isinstance(value, int) else self.high
        if value < self.low or (self.above and value == self.low) or (high is not None and value > high):
            return False
        return _finite(value) and (self.multiple == 1 or value % self.multiple == 0)

    def __str__(self) -> str:
        if self.high is not None:
            text = f"{'above ' if self.above else ''}{_number(self.low)} {'up ' * self.above}to {_number(self.high)}"
        else:
            text = f"above {_number(self.low)}" if self.above else f"{_number(self.low)} or more"
        text = f"integers, {text}" if self.whole else text
        text += f", multiples of {self.multiple}" if self.multiple > 1 else ""
        return ", or ".join([text, *self.words])


Fraction = Annotated[float, Range(0, 1)]
"""``float`` from 0 to 1."""
Positive = Annotated[int, Range(1)]
"""``int``, at least 1."""
NonNegative = Annotated[int, Range(0)]
"""``int``, at least 0."""
NonNegativeFloat = Annotated[float, Range(0)]
"""``float``, at least 0."""
PositiveFloat = Annotated[float, Range(0, above=True)]
"""``float`` above 0."""
BatchSize = Annotated[int, Range(1, 65536)]
"""``int`` from 1 to 65536: images per batch."""
ImageDepth = Annotated[int | float | str, Range(MIN_DEPTH, MAX_DEPTH, words=(AUTO_DEPTH, FULL_DEPTH))]
"""``auto``, ``full`` or a number: :data:`core.media.choices.Depth`."""


def ranges_of(config: type[DataclassInstance]) -> Mapping[str, Range]:
    """Return the ranges of a dataclass of options by field name."""
    hints = get_type_hints(config, include_extras=True)
    found = {item.name: range_of(hints[item.name]) for item in fields(config)}
    return {name: declared for name, declared in found.items() if declared is not None}


def range_of(hint: object) -> Range | None:
    """Return the range in an annotation, e.g. of ``Fraction | None``; None if there is none."""
    if get_origin(hint) is Annotated:
        return next((item for item in get_args(hint)[1:] if isinstance(item, Range)), None)
    return next(filter(None, map(range_of, get_args(hint))), None)


def enumeration_of(hint: object) -> tuple[Enum, ...]:
    """Return the members of the enumeration in an annotation, e.g. of ``Precision | None``; empty if there is none."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint)
    return next(filter(None, map(enumeration_of, get_args(hint))), ())


def possible_values(hint: object) -> str:
    """Return what an option accepts, in words: its range or the members of its enumeration; empty for all values.

    Args:
        hint: The annotation of the option, with its range.
    """
    if declared := range_of(hint):
        return str(declared)
    if bool in {hint, *get_args(hint)}:
        return "true, false"
    return ", ".join(str(member.value) for member in enumeration_of(hint))


def range_problems(config: object, prefix: str) -> Iterator[tuple[str, HooklineError]]:
    """Find the options that are out of range.

    Args:
        config: An instance of a dataclass of options; any other object has no problems.
        prefix: Prefix of the field names on the command line, e.g. ``train.``.

    Yields:
        Name of the field and the error.
    """
    if not is_dataclass(config) or isinstance(config, type):
        return
    declared = ranges_of(type(config))
    for item in fields(config):
        if item.metadata.get(FAMILIES):
            continue
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from range_problems(value, f"{prefix}{item.name}.")
        elif problem := _problem(f"{prefix}{item.name}", value, declared.get(item.name)):
            yield item.name, problem


def out_of_range(option: str, value: object, possible: object) -> HooklineError:
    """Return the error for an option with a value out of range.

    Args:
        option: Name of the option on the command line.
        value: Value of the option.
        possible: The valid range.
    """
    text = value if isinstance(value, str) and value.isprintable() and len(value) <= 40 else shown(value)
    return HooklineError(f"{option}={text} is out of range", f"possible: {possible}")


def _problem(option: str, value: object, declared: Range | None) -> HooklineError | None:
    if value is None:
        return None
    if declared is None:
        return None if not isinstance(value, float) or _finite(value) else out_of_range(option, value, "finite numbers")
    if value in declared:
        return None
    large = isinstance(value, int) and value > LARGEST_INTEGER and declared.high is None
    return out_of_range(option, value, replace(declared, high=LARGEST_INTEGER) if large else declared)


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
