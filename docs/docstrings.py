"""Read docstrings: their sections, and their text as Markdown."""

from __future__ import annotations

import ast
import inspect
import re

import hookline
import hookline.checks
import hookline.ranges
from core.config.option_help import docstring_entries

PUBLIC = {
    "core.kinds.check": "hookline.checks",
    "core.options.ranges": "hookline.ranges",
    "core.kinds.training": "hookline.training",
    "core.options.training": "hookline.training",
}
"""Modules with another public name; the public names of all others are in ``hookline``."""

MODULES = (hookline, hookline.checks, hookline.ranges)
"""Modules of the names in examples."""

SECTIONS = ("Attributes", "Args", "Returns", "Yields", "Raises")


def prose(item: object) -> str:
    """Return a docstring as Markdown, with code blocks for ``Example::`` and code spans for double backticks."""
    return fenced(markdown(inspect.getdoc(item) or ""))


def fenced(text: str) -> str:
    """Return text with its ``Example::`` as a code block, which includes the imports."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.strip() == "Example::":
            lines += ["Example:", "", "```python"]
            inside = True
        elif not (inside and not line.strip() and lines[-1] == "```python"):
            lines.append(line.removeprefix("    ") if inside else line)
    if not inside:
        return "\n".join(lines)
    start = lines.index("```python") + 1
    return "\n".join([*lines[:start], *_imports("\n".join(lines[start:])), *lines[start:], "```"])


def markdown(text: str) -> str:
    """Replace roles and double backticks in the text of a docstring by Markdown code spans.

    Modules of ``core`` are replaced by their public names.
    """
    text = re.sub(r":mod:`core([\w.]*)`", lambda found: f"`{PUBLIC.get(f'core{found[1]}', 'hookline')}`", text)
    text = re.sub(r":mod:`([\w.]+)`", r"`\1`", text)
    return re.sub(r":(?:class|func|meth|mod|attr|data):`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text.replace("``", "`"))


def attributes(item: type) -> dict[str, str]:
    """Return the section ``Attributes:`` of a docstring: descriptions by name. ``a, b: text`` describes both."""
    return entries(inspect.getdoc(item) or "", "Attributes")


def entries(text: str, title: str) -> dict[str, str]:
    """Return the entries of a section of a docstring: descriptions by name."""
    return {name: cell(markdown(text)) for name, text in docstring_entries(text, title).items()}


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def body(text: str) -> str:
    """Return a docstring without its sections."""
    lines, inside = [], False
    for line in text.splitlines():
        if line in {f"{title}:" for title in SECTIONS}:
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
        if not inside:
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _imports(code: str) -> list[str]:
    """Return the import statements for the public names in an example."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    names = {module.__name__: sorted(used & set(module.__all__)) for module in MODULES}
    return [*(f"from {module} import {', '.join(found)}" for module, found in names.items() if found), "", ""]
