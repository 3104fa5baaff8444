"""Signatures, types and defaults as Markdown, as an author would write them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import MISSING, Field
from enum import Enum

from docstrings import cell

LINE_LENGTH = 120


def signature(function: Callable[..., object], name: str) -> str:
    """Return the signature in one line: ``name(arg: type, ...) -> type``."""
    return f"{name}({', '.join(_parameters(function))}){_returned(function)}"


def definition(function: Callable[..., object], name: str) -> str:
    """Return the signature as a function definition, formatted as by ruff."""
    parameters, end = _parameters(function), f"){_returned(function)}: ..."
    for line in (f"def {name}({', '.join(parameters)}{end}", f"def {name}(\n    {', '.join(parameters)}\n{end}"):
        if max(map(len, line.splitlines())) <= LINE_LENGTH:
            return line
    return "\n".join([f"def {name}(", *(f"    {parameter}," for parameter in parameters), end])


def _parameters(function: Callable[..., object]) -> list[str]:
    found, keyword_only = [], False
    for value in inspect.signature(function).parameters.values():
        if value.kind is value.KEYWORD_ONLY and not keyword_only and not any(item[0] == "*" for item in found):
            found.append("*")
        keyword_only = value.kind is value.KEYWORD_ONLY
        stars = {value.VAR_POSITIONAL: "*", value.VAR_KEYWORD: "**"}.get(value.kind, "")
        annotation = "" if value.annotation is value.empty else f": {written(value.annotation)}"
        default = json.dumps(value.default) if isinstance(value.default, str) else repr(value.default)
        assigned = "" if value.default is value.empty else f"{' = ' if annotation else '='}{default}"
        found.append(f"{stars}{value.name}{annotation}{assigned}")
    return found


def _returned(function: Callable[..., object]) -> str:
    given = inspect.signature(function).return_annotation
    return "" if given is inspect.Signature.empty else f" -> {written(given)}"


def written(annotation: object) -> str:
    """Return an annotation as it is written in the code."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def type_cell(annotation: object) -> str:
    """Return an annotation as a cell of a table."""
    text = written(annotation)
    return f"`{cell(text)}`" if text else ""


def default_cell(item: Field[object]) -> str:
    """Return the default of a field as a cell of a table."""
    if item.default is MISSING and item.default_factory is MISSING:
        return "required"
    value = item.default if item.default_factory is MISSING else item.default_factory()
    if inspect.isfunction(value):
        return "optional"
    if isinstance(value, type):
        return f"`{value.__name__}`"
    if isinstance(value, Enum):
        return f"`{_member_name(value)}`"
    if isinstance(value, frozenset):
        return f"`{_set(value)}`"
    return f"`{value!r}`"


def _member_name(value: Enum) -> str:
    return f"{type(value).__name__}.{value.name}"


def _set(value: frozenset[object]) -> str:
    """Return a set as an expression, sorted, since the order of a set differs between processes."""
    names = sorted(_member_name(item) if isinstance(item, Enum) else repr(item) for item in value)
    return f"frozenset({{{', '.join(names)}}})" if names else "frozenset()"
