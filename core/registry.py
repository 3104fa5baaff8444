"""Everything that the loaded plugins registered, by kind and name."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.errors import HooklineError, shown, unknown
from core.parts import Calibrator, Check, Graft, ModelFamily, Processor, Runtime, Tracker
from core.stage import Stage

NAME_LENGTH = 64
KINDS: Mapping[str, tuple[type[Any], str]] = MappingProxyType(
    {
        "stages": (Stage, "stage"),
        "models": (ModelFamily, "model family"),
        "calibrators": (Calibrator, "calibrator"),
        "grafts": (Graft, "graft"),
        "runtimes": (Runtime, "backend"),
        "processors": (Processor, "processor"),
        "trackers": (Tracker, "tracker"),
        "checks": (Check, "check"),
    }
)
"""Kind (the hook's name without prefix) -> descriptor class, and the word for one in messages."""

LISTED = "`python -m core.plugins` lists"
AUTO = "auto"
"""The name that stands for the best part of a kind that can be used."""
RANKED = frozenset({"runtimes", "processors"})
"""Kinds of which ``auto`` takes the best."""


@dataclass(frozen=True)
class Origin:
    """Who registered something.

    Attributes:
        plugin: Name of the plugin.
        distribution, version: That ship it.
        package: Importable package with its code; empty where it has none.
        installed: Whether it comes with an installed distribution.
    """

    plugin: str
    distribution: str
    version: str
    package: str = ""
    installed: bool = True

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin '{self.plugin}')"


class Registry:
    """Parts by kind and name. Names are unique, so the order of registration never matters."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, tuple[Any, Origin]]] = {kind: {} for kind in KINDS}
        self.broken: list[str] = []
        """One line for each plugin that could not be loaded; told when a name is not found."""

    def add(self, kind: str, part: Any, origin: Origin) -> None:
        """Register ``part``.

        Raises:
            TypeError: As :func:`check_part`.
            HooklineError: Its name is taken; names both distributions.
        """
        check_part(kind, part)
        noun, taken = KINDS[kind][1], self._parts[kind].get(part.name)
        if taken is not None:
            raise HooklineError(
                f"two plugins claim the {noun} '{part.name}': {taken[1]} and {origin}",
                f"disable one with plugins.disable=[{origin.plugin}] or plugins.disable=[{taken[1].plugin}]",
            )
        self._parts[kind][part.name] = (part, origin)

    def parts(self, kind: str) -> Mapping[str, Any]:
        """All parts of a kind by name, in order of registration."""
        return {name: part for name, (part, _) in self._parts[kind].items()}

    def part(self, kind: str, name: str) -> Any:
        """One part.

        Raises:
            HooklineError: No such name; tells the nearest ones and the plugins that are broken.
        """
        return self._entry(kind, name)[0]

    def origin(self, kind: str, name: str) -> Origin:
        """Who registered it."""
        return self._entry(kind, name)[1]

    def stages(self) -> Iterator[Stage]:
        """All stages."""
        for stage, _ in self._parts["stages"].values():
            yield stage

    def _entry(self, kind: str, name: str) -> tuple[Any, Origin]:
        try:
            return self._parts[kind][name]
        except KeyError:
            raise self.not_found(kind, name) from None

    def not_found(self, kind: str, name: str) -> HooklineError:
        """The error for a name that nobody registered; a broken plugin may have wanted to."""
        automatic = [AUTO] if kind in RANKED else []
        error = unknown(KINDS[kind][1], name, [*automatic, *self._parts[kind]], listed=f"{LISTED} all")
        if self.broken:
            more = f" (and {len(self.broken) - 1} more, {LISTED} them)" if len(self.broken) > 1 else ""
            error.hint += f"; a broken plugin may have brought it: {self.broken[0]}{more}"
        return error


def check_part(kind: str, part: Any) -> Any:
    """``part``, when it is what the hook of this kind must yield.

    Raises:
        TypeError: It is not a descriptor of this kind, its name is not a Python identifier, or it is a stage whose
            function is not annotated as it must be.
    """
    expected = KINDS[kind][0]
    if not isinstance(part, expected):
        raise TypeError(f"hookline_{kind} must yield {expected.__name__}, not {type(part).__name__} {shown(part)}")
    name = str(part.name)
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > NAME_LENGTH:
        raise TypeError(f"{shown(name)} cannot name a {KINDS[kind][1]}: it becomes an option and a folder")
    if isinstance(part, Stage):
        _ = part.signature  # a wrong annotation is this plugin's fault: tell it now, not in somebody's run
    return part
