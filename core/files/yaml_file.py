"""Reading of YAML files within limits, with the line numbers of keys for messages.

Values are built from PyYAML's events, because its loader recurses as deep as the file is nested, and its scalars raise
arbitrary errors. A file that exceeds a limit on bytes, nodes or levels is refused with line and column; the nodes of an
alias count at each use. Values are text, numbers, true, false, null, lists and mappings: a date is text, and tags do
not construct objects.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeAlias, TypeVar

import yaml
from yaml import CollectionEndEvent, CollectionStartEvent, Event

from core.errors import HooklineError, shown
from core.files.regular_file import read_regular
from core.files.windows_paths import yaml_hint
from core.files.yaml_scalars import MERGE, TAG, Merge, Scalar, ScalarError, Scalars

if TYPE_CHECKING:
    from yaml._yaml import Mark as NativeMark
    from yaml.error import Mark as PythonMark

    Mark: TypeAlias = PythonMark | NativeMark | None

MAX_BYTES = 8 << 20
MAX_DEPTH = 32
MAX_NODES = 250_000
LOCATED_LEVELS = 2
"""Number of levels with line numbers of keys and items."""
Value: TypeAlias = Scalar | list["Value"] | dict[Scalar, "Value"]
"""A value in a YAML file."""
ValueT = TypeVar("ValueT")


class _NoKey(Enum):
    no_key = 0


_NO_KEY: Final = _NoKey.no_key


@dataclass(frozen=True)
class YamlFile(Generic[ValueT]):
    """The content of a YAML file.

    Attributes:
        path: The file.
        content: Its value.
        lines: Line number from 1 of each key or item by its path of keys, e.g. ``("names", 3)``.
    """

    path: Path
    content: ValueT
    lines: Mapping[tuple[Scalar, ...], int]

    def location(self, *keys: Scalar) -> str:
        """Return the file and the line number of a key, for messages."""
        line = next((self.lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self.lines), None)
        return f"'{self.path}'" + (f" (line {line})" if line else "")


def read_yaml(path: Path, as_text: Collection[str] = ()) -> YamlFile[Value]:
    """Read a YAML file.

    Args:
        path: The file.
        as_text: Keys of the top-level mapping whose numbers and truth values are text as written.

    Raises:
        OSError: The file is missing, unreadable, not a regular file, or too large.
        HooklineError: It is not valid YAML or exceeds a limit; the message has line and column.
    """
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"cannot read '{path}': it is not UTF-8 text (byte {error.start})"
        raise HooklineError(message, "save it as UTF-8") from error
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    builder = _Builder(path, as_text)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        builder.refuse(problem := error.problem or "it cannot be parsed", error.problem_mark, yaml_hint(problem, text))
    except yaml.YAMLError as error:  # a character that YAML does not allow
        builder.refuse(str(error), None)
    return YamlFile(path, builder.content, builder.lines)


@dataclass
class _OpenList:
    """A list before its end event."""

    anchor: str | None
    begun: int
    value: list[Value] = field(default_factory=list)


@dataclass
class _OpenMapping:
    """A mapping before its end event."""

    anchor: str | None
    begun: int
    value: dict[Scalar, Value] = field(default_factory=dict)
    key: Scalar | Merge | _NoKey = _NO_KEY
    bases: list[dict[Scalar, Value]] = field(default_factory=list)


class _Builder:
    """Builds the value from events."""

    def __init__(self, path: Path, as_text: Collection[str]) -> None:
        self.content: Value = None
        self.lines: dict[tuple[Scalar, ...], int] = {}
        self._path = path
        self._as_text = as_text
        self._open: list[_OpenList | _OpenMapping] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._nodes = self._documents = 0
        self._scalars = Scalars()

    def take(self, event: Event) -> None:
        """Process the next event."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.refuse("it has more than one document", event.start_mark)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                self.refuse(f"the alias {shown(event.anchor)} has no complete anchor", event.start_mark)
            known, nodes = self._anchors[event.anchor]
            self._count(nodes, event.start_mark)
            self._put(known, event.start_mark)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1, event.start_mark)
            try:
                value = self._scalars.value(event, as_text=self._is_text())
            except ScalarError as error:
                self.refuse(str(error), event.start_mark)
            if event.anchor:
                self._anchors[event.anchor] = (_text(value), 1)
            self._put(value, event.start_mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)

    def _is_text(self) -> bool:
        """Return whether the next scalar is a value below one of the keys ``as_text``."""
        if not self._open or not isinstance(outer := self._open[0], _OpenMapping) or outer.key not in self._as_text:
            return False
        return isinstance(inner := self._open[-1], _OpenList) or inner.key is not _NO_KEY

    def refuse(self, problem: str, mark: Mark, hint: str = "correct the file") -> NoReturn:
        """Raise the error for a problem at a mark in the file."""
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise HooklineError(f"'{self._path}' is not valid YAML: {problem}{where}", hint)

    def _begin(self, event: CollectionStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, "!", f"{TAG}{'map' if mapping else 'seq'}"}:
            self.refuse(f"the tag {shown(event.tag)} is not supported", event.start_mark)
        self._count(1, event.start_mark)
        if len(self._open) >= MAX_DEPTH:
            self.refuse(f"it is nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if self._open and isinstance(into := self._open[-1], _OpenMapping) and into.key is _NO_KEY:
            self.refuse("a key is a list or a mapping", event.start_mark)
        kind = _OpenMapping if mapping else _OpenList
        self._open.append(kind(event.anchor, self._nodes - 1))
        self._note_line(event.start_mark)

    def _end(self, event: CollectionEndEvent) -> None:
        closed = self._open.pop()
        if isinstance(closed, _OpenMapping):
            for base in closed.bases:
                for key, item in base.items():
                    closed.value.setdefault(key, item)
        if closed.anchor:
            self._anchors[closed.anchor] = (closed.value, self._nodes - closed.begun)
        self._put(closed.value, event.start_mark)

    def _put(self, value: Value | Merge, mark: Mark) -> None:
        """Add a complete value to the innermost open list or mapping."""
        if not self._open:
            self.content = _text(value)
            return
        into = self._open[-1]
        if isinstance(into, _OpenList):
            self._note_line(mark, len(into.value))
            into.value.append(_text(value))
        elif into.key is _NO_KEY:
            self._put_key(into, value, mark)
        elif into.key is MERGE:
            into.bases += self._bases(value, mark)
            into.key = _NO_KEY
        else:
            into.value[into.key] = _text(value)
            into.key = _NO_KEY

    def _put_key(self, into: _OpenMapping, key: Value | Merge, mark: Mark) -> None:
        if isinstance(key, list | dict):
            self.refuse("a key is a list or a mapping", mark)
        if key is not MERGE and key in into.value:
            self.refuse(f"the key {shown(key)} occurs twice", mark)
        into.key = key
        if key is not MERGE:
            into.value[key] = None  # finds a repeated key even inside its own value
            self._note_line(mark, key)

    def _bases(self, value: Value | Merge, mark: Mark) -> list[dict[Scalar, Value]]:
        """Return the mappings of the key ``<<``."""
        given = value if isinstance(value, list) else [value]
        bases = [base for base in given if isinstance(base, dict)]
        if len(bases) < len(given):
            self.refuse("'<<' takes a mapping, or a list of mappings", mark)
        return bases

    def _note_line(self, mark: Mark, *last: Scalar) -> None:
        """Record the line number of a key or item in the first levels."""
        keys = (*map(_key_now, self._open[:-1]), *last)
        if mark and 0 < len(keys) <= LOCATED_LEVELS:
            self.lines.setdefault(keys, mark.line + 1)

    def _count(self, nodes: int, mark: Mark) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self.refuse(f"it has more than {MAX_NODES:,} values; those of an alias count at each use", mark)


def _key_now(outer: _OpenList | _OpenMapping) -> Scalar:
    """Return the key or the index of the value that is being built."""
    if isinstance(outer, _OpenList):
        return len(outer.value)
    return "<<" if isinstance(outer.key, Merge | _NoKey) else outer.key


def _text(value: Value | Merge) -> Value:
    """Return ``<<`` as text, which it is outside of keys."""
    return "<<" if value is MERGE else value
