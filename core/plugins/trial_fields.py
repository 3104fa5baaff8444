"""Whether the fields of a descriptor have the types that its class declares."""

from __future__ import annotations

import builtins
import math
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields

from core.containment.calls import Fault
from core.errors import shown
from core.kinds.table import Descriptor
from core.options.following import annotation


def check_fields(part: Descriptor) -> None:
    """Refuse a descriptor with a field of another type than the declared one.

    Raises:
        Fault: Names the first such field.
    """
    for item in fields(part):
        value, hint = getattr(part, item.name), _hint(item, type(part))
        if not _fits(value, hint):
            raise Fault(f"{item.name} must be {annotation(item)}, not {shown(value)}")


def _hint(item: Field[object], owner: type[object]) -> object:
    """Return the annotation of a field of a descriptor class or of a subclass."""
    home = next(base for base in owner.__mro__ if item.name in vars(base).get("__annotations__", {}))
    if not isinstance(item.type, str):
        return item.type
    return eval(item.type, {}, _ModuleNames(vars(sys.modules[home.__module__])))  # noqa: S307 - the source is an annotation in a class body


def _fits(value: object, hint: object) -> bool:
    """Return whether a value has the annotated type. True for annotations that this function does not know."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_fits(value, member) for member in arguments)
    if hint is None or hint is type(None):
        return value is None
    if Callable in {hint, origin}:
        return callable(value)
    if origin is type:
        return isinstance(value, type)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if isinstance(origin, type) and issubclass(origin, Collection):
        return isinstance(value, origin) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(hint, type) or isinstance(value, hint)


class _ModuleNames(dict[str, object]):
    """The names of a module; a name that exists only for type checkers becomes ``object``."""

    def __missing__(self, name: str) -> object:
        return getattr(builtins, name, object)
