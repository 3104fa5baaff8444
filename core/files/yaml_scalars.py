"""The scalars of a YAML file: text, numbers, true, false and null, by PyYAML's rules of YAML 1.1."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

from yaml import ScalarEvent, ScalarNode
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from core.errors import shown

MAX_TEXT = 1 << 16
"""Maximum number of characters of a string."""
MAX_NUMBER = 100
"""Maximum number of characters of a number."""
TAG = "tag:yaml.org,2002:"
KINDS = ("str", "null", "bool", "int", "float")
Scalar: TypeAlias = str | int | float | None
"""The value of a scalar or a key."""


class Merge(Enum):
    """The type of :data:`MERGE`."""

    merge = "<<"


MERGE: Final = Merge.merge
"""The key ``<<``."""


class ScalarError(ValueError):
    """A scalar that is too long or does not match its tag."""


class Scalars:
    """Converts scalar events to values."""

    def __init__(self) -> None:
        self._resolve: Callable[[type[ScalarNode], str, tuple[bool, bool]], str] = Resolver().resolve
        self._constructor = SafeConstructor()

    def value(self, event: ScalarEvent, *, as_text: bool = False) -> Scalar | Merge:
        """Return the value of a ``yaml.ScalarEvent``.

        Values of other types, dates for example, are text.

        Args:
            event: The event.
            as_text: Also return numbers and truth values as text.

        Raises:
            ScalarError: It is too long, its tag is not supported, or it does not match its tag.
        """
        text: str = event.value
        if len(text) > MAX_TEXT:
            raise ScalarError(f"a string has more than {MAX_TEXT:,} characters")
        kind = self._kind(text, event.tag, plain=event.implicit[0])
        if kind == "null":
            return None
        if as_text:
            return text
        if kind == "bool":
            return self._constructor.bool_values[text.lower()]
        if kind in {"int", "float"}:
            return self._number(kind, text)
        return MERGE if kind == "merge" else text

    def _kind(self, text: str, tag: str | None, *, plain: bool) -> str:
        if tag in {None, "!"} and not plain:
            return "str"
        looks = self._resolve(ScalarNode, text, (True, False)).removeprefix(TAG)
        if tag is None or tag == "!":
            return looks
        kind = tag.removeprefix(TAG)
        if kind not in KINDS:
            raise ScalarError(f"the tag {shown(tag)} is not supported")
        if kind not in {"str", looks} and (kind, looks) != ("float", "int"):
            raise ScalarError(f"{shown(text)} is not of the type !!{kind}")
        return kind

    def _number(self, kind: str, text: str) -> int | float:
        if len(text) > MAX_NUMBER:
            raise ScalarError(f"a number has more than {MAX_NUMBER} characters: {shown(text)}")
        node = ScalarNode(f"{TAG}{kind}", text)
        try:
            if kind == "int":
                return self._constructor.construct_yaml_int(node)
            return self._constructor.construct_yaml_float(node)
        except ValueError as error:  # 0b_ matches the pattern of a number but has no digits
            raise ScalarError(f"{shown(text)} is not a number") from error
