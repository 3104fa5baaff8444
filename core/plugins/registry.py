"""What plugins registered: stages and parts by kind and name, and the errors for names that none registered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from core.containment.calls import PluginError
from core.errors import HooklineError, UnavailableError, shown, unknown
from core.kinds.lookup import AUTO, DescribedT, Origin
from core.kinds.table import KINDS, RANKED, Descriptor

LISTED = "`python -m core.plugins` lists"


class Registry:
    """Stages and parts by kind and name. Names are unique, so the order of registration has no effect."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, tuple[Descriptor, Origin]]] = {kind: {} for kind in KINDS}
        self.broken: list[str] = []
        """One line for each broken plugin; messages about unknown names contain it."""
        self.disabled: tuple[str, ...] = ()
        """Names in ``plugins.disable``; messages about missing parts contain them."""
        self._lost: dict[tuple[str, str], str] = {}

    def add(self, kind: str, part: Descriptor, origin: Origin) -> None:
        """Register a stage or part that :func:`core.kinds.table.check_part` accepted and whose name is free."""
        assert part.name not in self._parts[kind], f"{part.name} of {origin}"
        self._parts[kind][part.name] = (part, origin)

    def mark_broken(self, line: str, names: Iterable[tuple[str, str]] = ()) -> None:
        """Store why a plugin is broken, and kind and name of the parts that it yields."""
        self.broken.append(line)
        self._lost |= dict.fromkeys(names, line)

    def origins(self) -> Iterator[Origin]:
        """Yield the origin of each stage and part."""
        return (origin for parts in self._parts.values() for _, origin in parts.values())

    def without(self, broken: Iterable[PluginError]) -> Registry:
        """Return a copy without the parts of plugins that are found to be broken."""
        reasons = {error.origin: str(error) for error in broken}
        copy = Registry()
        copy.broken, copy._lost, copy.disabled = list(self.broken), dict(self._lost), self.disabled
        for kind, parts in self._parts.items():
            copy._parts[kind] = {name: entry for name, entry in parts.items() if entry[1] not in reasons}
        for origin, line in reasons.items():
            copy.mark_broken(
                line,
                [(kind, name) for kind, parts in self._parts.items() for name in parts if parts[name][1] == origin],
            )
        return copy

    def owner(self, kind: str, name: str) -> Origin | None:
        """Return the origin of a part; None if no plugin registered the name."""
        entry = self._parts[kind].get(name)
        return entry[1] if entry else None

    def get(self, kind: type[DescribedT], name: str) -> DescribedT:
        """Return the part of a descriptor class that has a name, e.g. ``get(Runtime, "onnxruntime")``.

        Raises:
            HooklineError: No part has this name; names the nearest ones and broken plugins.
        """
        part = self._entry(kind.kind, name)[0]
        assert isinstance(part, kind)
        return part

    def all(self, kind: type[DescribedT]) -> Mapping[str, DescribedT]:
        """Return all parts of a descriptor class by name, in order of registration."""
        return {name: part for name, (part, _) in self._parts[kind.kind].items() if isinstance(part, kind)}

    def parts(self, kind: str) -> Mapping[str, Descriptor]:
        """Return all parts of a kind by name; :meth:`all` has their class as its type."""
        return {name: part for name, (part, _) in self._parts[kind].items()}

    def part(self, kind: str, name: str) -> Descriptor:
        """Return one part; :meth:`get` has its class as its type."""
        return self._entry(kind, name)[0]

    def origin(self, kind: str, name: str) -> Origin:
        """Return the origin of a part."""
        return self._entry(kind, name)[1]

    def _entry(self, kind: str, name: str) -> tuple[Descriptor, Origin]:
        try:
            return self._parts[kind][name]
        except KeyError:
            raise self.not_found(kind, name) from None

    def not_found(self, kind: str, name: str) -> HooklineError:
        """Return the error for a name that no plugin registered; it names a broken plugin that yields the name."""
        if broken := self._broken_owner(kind, name):
            return broken
        automatic = [AUTO] if kind in RANKED else []
        error = unknown(KINDS[kind].noun, name, [*automatic, *self._parts[kind]], listed=f"{LISTED} all")
        if kind == "models":
            error.hint += "; the file states this family: install its plugin"
        error.hint += self._broken_hint()
        return error

    def not_installed(self, option: str, kind: str, name: str) -> HooklineError:
        """Return the error for an option of a part that no plugin registered.

        Args:
            option: The full name of the option.
            kind, name: Kind and name of the part.
        """
        if broken := self._broken_owner(kind, name):
            return broken
        noun = KINDS[kind].noun
        hint = unknown(noun, name, self._parts[kind], listed=f"{LISTED} all").hint.replace("possible:", "installed:")
        return HooklineError(
            f"unknown option {shown(option)}: no installed {noun} is named {shown(name)}",
            hint + self._broken_hint() + self._disabled_hint(),
        )

    def _broken_owner(self, kind: str, name: str) -> HooklineError | None:
        """Return the error for a part of a broken plugin; None for every other name."""
        if line := self._lost.get((kind, name)):
            return HooklineError(f"the {KINDS[kind].noun} {shown(name)} cannot be used: its plugin is broken: {line}")
        return None

    def builder_not_found(self, name: str, engine: str) -> UnavailableError:
        """Return the error for an engine of a runtime that no plugin registered.

        Args:
            name: Name of the runtime.
            engine: Name of the engine in messages.
        """
        built = f"{engine} was built by the runtime {shown(name)}"
        if line := self._lost.get(("runtimes", name)):
            return UnavailableError(f"{built}, and the plugin of this runtime is broken: {line}")
        hint = f"install its plugin{self._broken_hint()}{self._disabled_hint()}"
        return UnavailableError(f"{built}, but no loaded plugin has it", hint)

    def _disabled_hint(self) -> str:
        return f"; plugins.disable=[{','.join(self.disabled)}] may exclude it" if self.disabled else ""

    def _broken_hint(self) -> str:
        if not self.broken:
            return ""
        more = f" (and {len(self.broken) - 1} more, {LISTED} them)" if len(self.broken) > 1 else ""
        return f"; it may belong to a broken plugin: {self.broken[0]}{more}"
