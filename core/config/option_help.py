"""The lines of ``--help`` about options: name and default, what the option does, and the values that it accepts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import Field
from typing import get_type_hints

from core.kinds.family_options import own_fields
from core.kinds.lookup import AUTO
from core.kinds.model import default_release
from core.kinds.table import RANKED
from core.masking import masked
from core.options.fields import NAMING
from core.options.ranges import possible_values
from core.options.top_level import TopLevelOptions
from core.plugins.option_nodes import default_of, option_fields
from core.plugins.registry import Registry
from core.process.installation import HOME
from core.storage.serial import DataclassInstance

CHOICES = {**NAMING, "decode": "grafts"}
"""Top-level options that name parts, and the kinds of these."""
TEXT_LENGTH = 120
"""Characters of the text of an option; sentences that exceed it are in docs/configuration.md only."""
_COLUMN = 44
"""The last column at which the texts of a section are aligned."""
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\.[a-z]\.) (?=[\w`{])")
"""The space between two sentences; not the one after ``e.g.``."""
_RESOLVED = frozenset("$?")
"""Characters of values that OmegaConf would resolve."""


def section(heading: str, prefix: str, declared: type[DataclassInstance], values: OptionValues) -> str:
    """Return the options of a stage or part, one line per option.

    Args:
        heading: The first line, without the colon.
        prefix: What precedes the name of a field on the command line, without the dot.
        declared: The dataclass of the options.
        values: For the defaults.
    """
    texts, hints = option_texts(declared), get_type_hints(declared, include_extras=True)
    rows = [
        (f"{prefix}.{item.name}={values.of(item)}", texts.get(item.name, ""), _notes(item, hints[item.name], values))
        for item in own_fields(declared)
    ]
    return f"{heading}:\n" + ("\n".join(_lines(rows)) or "  none") + "\n"


def top_level(values: OptionValues) -> str:
    """Return the top-level options, one line per option."""
    items, hints = TopLevelOptions.__dataclass_fields__, get_type_hints(TopLevelOptions, include_extras=True)
    rows = [
        (f"{name}={values.value(name)}", text, _notes(items[name], hints[name], values, CHOICES.get(name, "")))
        for name, _, text in top_level_rows()
    ]
    return "top-level options:\n" + "\n".join(_lines(rows)) + "\n"


def top_level_rows() -> list[tuple[str, str, str]]:
    """Return the name, the default and the comment of each top-level option in conf/config.yaml."""
    text = (HOME / "conf" / "config.yaml").read_text(encoding="utf-8")
    return re.findall(r"^(\w+): (\S+)\s+# (.*)$", text, re.MULTILINE)


def option_texts(declared: type[DataclassInstance]) -> dict[str, str]:
    """Return what each option of a dataclass does, shortened to :data:`TEXT_LENGTH` characters."""
    found = docstring_entries(inspect.getdoc(declared) or "", "Attributes")
    return {name: _shortened(text.replace("``", "`")) for name, text in found.items()}


def docstring_entries(text: str, title: str) -> dict[str, str]:
    """Return the entries of a section of a docstring: text by name. ``a, b: text`` is an entry for both names.

    Args:
        text: The docstring, without indentation.
        title: Title of the section, e.g. ``Attributes``.
    """
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring_lines(text, title):
        if match := re.fullmatch(r"    (\w[\w, ]*): (.*)", line):
            names = [name.strip() for name in match.group(1).split(",")]
            found |= dict.fromkeys(names, match.group(2))
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def docstring_lines(text: str, title: str) -> Iterator[str]:
    """Yield the lines of a section of a docstring, without its title and without empty lines."""
    inside = False
    for line in text.splitlines():
        if line == f"{title}:":
            inside = True
        elif inside and line and not line.startswith(" "):
            return
        elif inside and line.strip():
            yield line


class OptionValues:
    """The values that options have unless the user sets them.

    Args:
        arguments: The command line. An option that follows a top-level option has the value that is set there.
        registry: The registered stages and parts.
    """

    def __init__(self, arguments: Sequence[str], registry: Registry) -> None:
        pairs = (argument.partition("=") for argument in arguments)
        self._given = {name: None if text == "null" else text for name, _, text in pairs if not _RESOLVED & set(text)}
        self._fields = dict(option_fields(registry))
        self.registry = registry

    def of(self, item: Field[object]) -> str:
        """Return the value of a field as it is written on the command line."""
        return masked(_written(self._resolved(item)))

    def value(self, name: str) -> str:
        """Return the value of an option, which is named in full, as it is written on the command line."""
        return masked(_written(self._value(name)))

    def _value(self, name: str) -> object:
        if self._given.get(name) is not None:
            return self._given[name]
        if name == "weights":
            return self._value("model") or default_release(self.registry)
        return self._resolved(self._fields[name]) if name in self._fields else None

    def _resolved(self, item: Field[object]) -> object:
        if followed := item.metadata.get("follows"):
            value = self._value(followed)
            return item.metadata["otherwise"] if value is None else value
        return default_of(item)


def _notes(item: Field[object], hint: object, values: OptionValues, kind: str = "") -> str:
    """Return which option an option follows, and the values that it accepts.

    Args:
        item, hint: The field that declares the option, and its annotation.
        values: For the registered parts.
        kind: The kind of the parts that the option names, unless the field states it.
    """
    followed = item.metadata.get("follows")
    accepted = _names(kind or item.metadata.get("kind", ""), values.registry) or possible_values(hint)
    return "; ".join(filter(None, [f"follows {followed}=" if followed else "", accepted]))


def _names(kind: str, registry: Registry) -> str:
    """Return the names of the parts of a kind."""
    parts = registry.parts(kind) if kind else {}
    return ", ".join([*([AUTO] if kind in RANKED else []), *parts])


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    return str(getattr(value, "value", value))


def _lines(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Align the texts of ``(option, text, accepted values)``."""
    width = min(max((len(option) for option, _, _ in rows), default=0), _COLUMN)
    for option, text, accepted in rows:
        about = " ".join(filter(None, [text, f"({accepted})" if accepted else ""]))
        yield f"  {option:<{width}}  {about}".rstrip()


def _shortened(text: str) -> str:
    """Return the first sentences of a text, as many as fit; at least one."""
    kept, *others = _SENTENCE_END.split(text)
    for sentence in others:
        if len(kept) + len(sentence) >= TEXT_LENGTH:
            break
        kept = f"{kept} {sentence}"
    return kept
