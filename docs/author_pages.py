"""The pages for authors of plugins: all public names by subject.

:data:`PAGES` defines the subjects. Signatures, fields and descriptions come from the code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import Protocol

from author_subjects import PAGES, Page
from docstrings import SECTIONS, attributes, body, cell, entries, fenced, markdown
from signatures import default_cell, definition, signature, type_cell, written

import hookline
import hookline.checks
import hookline.ranges
import hookline.testing
import hookline.training
from core.config.option_help import docstring_lines
from hookline import Artifact

OURS = ("core.", "hookline.", "stages.")
"""Packages of the documented classes."""

Item = object
"""A class, a function, or a constant."""


TESTING = ("load", "context", "run", "Recorder", "tiny_dataset", "tiny_model")


def author_pages() -> dict[str, str]:
    """Return the text of each page by name."""
    return {name: _page(page) for name, page in PAGES.items()} | {"names": _names()}


def place_of(name: str) -> str:
    """Return the page and the heading of a public name.

    Args:
        name: The name.

    Raises:
        KeyError: No page describes it.
    """
    for page_name, page in PAGES.items():
        if any(item == name for _, item, _, _ in items(page)):
            return f"{page_name}.md#{name.lower()}"
    raise KeyError(name)


def items(page: Page) -> Iterator[tuple[str, str, Item, str]]:
    """Yield module, name, value and description of each item on a page."""
    for name in page.names.split():
        yield "hookline", name, getattr(hookline, name), _written(hookline.MODULES[name], name)
    if page.module:
        module = importlib.import_module(page.module)
        for name in getattr(module, "__all__", TESTING):
            yield page.module, name, getattr(module, name), _written(_origin(module, name), name)
    for place in page.met:
        module_name, _, name = place.partition(":")
        yield "", name, getattr(importlib.import_module(module_name), name), _written(module_name, name)


def table_of(kind: type) -> str:
    """Return a table of the fields of a class; empty if there are none."""
    rows = [f"| `{name}` | {type_} | {default} | {text} |" for name, type_, default, text in _shown_fields(kind)]
    if not rows:
        return ""
    shown = is_dataclass(kind)
    head = ["| field | type | default | |", "| --- | --- | --- | --- |"]
    if not shown:
        head = ["| attribute | type | |", "| --- | --- | --- |"]
        rows = [f"| `{name}` | {type_} | {text} |" for name, type_, _, text in fields_of(kind)]
    return "\n".join([*head, *rows])


def _shown_fields(kind: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield the fields for the page of a class; those of all artifacts are listed once, for ``Artifact``."""
    common = {item.name for item in fields(Artifact)} if issubclass(kind, Artifact) and kind is not Artifact else set()
    return (entry for entry in fields_of(kind) if entry[0] not in common)


def fields_of(kind: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and description of each field of a dataclass, or of each attribute of another class."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        texts |= attributes(base) if base.__module__.startswith(OURS) else {}
    if is_dataclass(kind):
        for item in fields(kind):
            yield item.name, type_cell(item.type), default_cell(item), texts.get(item.name, "")
        return
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        found |= vars(base).get("__annotations__", {}) if base is not Protocol else {}
    for name, annotation in found.items():
        if not name.startswith("_"):
            yield name, type_cell(annotation), "", texts.get(name, "")


def shown_members(kind: type) -> Iterator[tuple[str, Callable[..., object] | property]]:
    """Yield the methods and properties for the page of a class."""
    chosen = next((names for page in PAGES.values() for place, names in page.met.items() if _is_at(kind, place)), ())
    return ((name, member) for name, member in members_of(kind) if not chosen or name in chosen)


def _is_at(kind: type, place: str) -> bool:
    return place == f"{kind.__module__}:{kind.__name__}"


def members_of(kind: type) -> Iterator[tuple[str, Callable[..., object] | property]]:
    """Yield the public methods and properties of a class, in the order of the code."""
    known = {item.name for item in fields(kind)} if is_dataclass(kind) else set()
    for name, member in vars(kind).items():
        if name in known:
            continue
        plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        wanted = inspect.isfunction(plain) or isinstance(plain, property)
        if wanted and (not name.startswith("_") or name == "__call__"):
            yield name, plain


def _page(page: Page) -> str:
    sections = [f"# {page.title}", page.text]
    former = "hookline"
    for module, name, value, text in items(page):
        if module != former:
            sections.append(_change(module))
            former = module
        sections.append(_item(name, value, text))
    return "\n\n".join(filter(None, [*sections, page.end])) + "\n"


def _change(module: str) -> str:
    """Return the line above names of another module."""
    if module:
        return f"The following names come from `{module}`."
    return "The following types appear in signatures. You do not need to import them."


def _item(name: str, value: Item, text: str) -> str:
    if isinstance(value, type) and value.__module__.startswith(OURS):
        return _class(name, value)
    if inspect.isfunction(value):
        call = f"```python\n{definition(value, name)}\n```"
        return f"## `{name}`\n\n{call}\n\n{_documented(inspect.getdoc(value) or '')}"
    shown = f"\n\nValue: `{value!r}`" if isinstance(value, str | int | float) and name != "__version__" else ""
    return f"## `{name}`\n\n{fenced(markdown(text))}{shown}"


def _class(name: str, kind: type) -> str:
    bases = [base.__name__ for base in kind.__bases__ if base.__module__.startswith(OURS)]
    exported = [f"`{base}`" for base in bases if base in hookline.__all__]
    parts = [f"## `{name}`", f"Subclass of {' and '.join(exported)}." if exported else ""]
    parts.append(_documented(inspect.getdoc(kind) or "", hidden={"Attributes"}))
    if issubclass(kind, Enum):
        parts.append("\n".join(f"- `{name}.{member.name}`: `{member.value}`" for member in kind))
    elif not issubclass(kind, BaseException):
        parts.append(table_of(kind))
    parts += [_member(name, *pair) for pair in shown_members(kind)]
    return "\n\n".join(filter(None, parts))


def _member(owner: str, name: str, member: Callable[..., object] | property) -> str:
    if isinstance(member, property):
        returned = written(inspect.signature(member.fget).return_annotation) if member.fget else ""
        return f"### `{owner}.{name}`: `{returned}`\n\n{_documented(inspect.getdoc(member) or '')}"
    shown = signature(member, name).replace("(self, ", "(").replace("(self)", "()")
    call = shown.removeprefix(name)
    title = f"{owner.lower()}{call}" if name == "__call__" else f"{owner}.{name}{call}"
    return f"### `{title}`\n\n{_documented(inspect.getdoc(member) or '')}"


def _documented(text: str, hidden: Iterable[str] = ()) -> str:
    """Return a docstring as Markdown, its sections as lists."""
    parts = [fenced(markdown(body(text)))]
    for title in SECTIONS:
        if title in hidden:
            continue
        if title in {"Returns", "Yields"}:
            lines = list(_lines(text, title))
            parts += [f"**{title}**: {markdown(' '.join(lines))}"] if lines else []
        elif found := entries(text, title):
            parts.append("\n".join([f"**{title}**", "", *(f"- `{name}`: {what}" for name, what in found.items())]))
    return "\n\n".join(filter(None, parts))


def _lines(text: str, title: str) -> Iterator[str]:
    return (line.strip() for line in docstring_lines(text, title))


def _origin(module: ModuleType, name: str) -> str:
    """Return the module that defines a name."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module and any(item.name == name for item in node.names):
            return node.module
    return module.__name__


def _written(module: str, name: str) -> str:
    """Return the docstring of a constant: the string after its assignment."""
    importlib.import_module(module)
    statements = ast.parse(inspect.getsource(sys.modules[module])).body
    for statement, following in itertools.pairwise(statements):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if any(isinstance(target, ast.Name) and target.id == name for target in flat):
            value = following.value if isinstance(following, ast.Expr) else None
            return inspect.cleandoc(value.value) if isinstance(value, ast.Constant) else ""
    return ""


def _names() -> str:
    rows = []
    for page_name, page in PAGES.items():
        for module, name, value, text in items(page):
            if module:
                first = (text or (inspect.getdoc(value) or "" if callable(value) else "")).split("\n\n")[0]
                summary = cell(markdown(" ".join(first.split())))
                rows.append(
                    (
                        name.lower(),
                        module,
                        f"| `{name}` | `{module}` | [{page_name}]({page_name}.md#{name.lower()}) | {summary} |",
                    )
                )
    head = [
        "# All names",
        "",
        "All public names. The package has type annotations (`py.typed`).",
    ]
    return (
        "\n".join(
            [*head, "", "| name | from | page | |", "| --- | --- | --- | --- |", *(row for *_, row in sorted(rows))]
        )
        + "\n"
    )
