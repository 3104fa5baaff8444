"""Lookup of registered descriptors by kind and name, and the plugins that registered them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from core.errors import HooklineError, UnavailableError

PROJECT = "hookline"
"""The distribution of hookline, and the prefix of its hook names."""
AUTO = "auto"
"""The name that selects the best available part of a kind."""
HOST = ""
"""In place of a runtime name: the model family opens the model itself, with arrays in host memory."""


class Described(Protocol):
    """The common attributes of the descriptors of stages and parts.

    Attributes:
        kind: Name of the hook without its prefix, e.g. ``runtimes``; the same for all instances of a class.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The name that the user types."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the packages on the package index that affect results."""
        ...


DescribedT = TypeVar("DescribedT", bound=Described)


@dataclass(frozen=True)
class Origin:
    """The plugin that registered a descriptor.

    Attributes:
        plugin: Name of the plugin.
        distribution, version: Distribution that contains the plugin.
        module: Module of the plugin; empty if unknown.
    """

    plugin: str
    distribution: str
    version: str
    module: str = ""

    @property
    def outside(self) -> bool:
        """Whether the plugin belongs to a distribution other than hookline."""
        return self.distribution != PROJECT

    @property
    def installed(self) -> bool:
        """Whether the plugin belongs to an installed distribution, so that its version identifies the code."""
        return not self.distribution.startswith("$")

    @property
    def code(self) -> str:
        """The package with the code of the plugin: that of the stage or backend, or all of a third-party package."""
        return self.package if self.outside else self.module.removesuffix(".plugin")

    @property
    def package(self) -> str:
        """The top-level package of the plugin."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin '{self.plugin}')"


class Parts(Protocol):
    """Registered descriptors by kind and name, as in ``RunContext.registry``."""

    def get(self, kind: type[DescribedT], name: str) -> DescribedT:
        """Return a descriptor by class and name, e.g. ``get(Runtime, "onnxruntime")``.

        Args:
            kind: Class of the descriptor.
            name: Name of the stage or part.

        Raises:
            HooklineError: The name is not registered. The message lists similar names and broken plugins.
        """
        ...

    def all(self, kind: type[DescribedT]) -> Mapping[str, DescribedT]:
        """Return all descriptors of a class by name, in the order of registration.

        Args:
            kind: Class of the descriptors.
        """
        ...

    def part(self, kind: str, name: str) -> Described:
        """Return one descriptor by the name of its kind; :meth:`get` is the typed form."""
        ...

    def parts(self, kind: str) -> Mapping[str, Described]:
        """Return all descriptors of a kind by name; :meth:`all` is the typed form."""
        ...

    def origin(self, kind: str, name: str) -> Origin:
        """Return the plugin that registered a descriptor."""
        ...

    def owner(self, kind: str, name: str) -> Origin | None:
        """Return the plugin that registered a name; None if no plugin did."""
        ...

    def origins(self) -> Iterator[Origin]:
        """Yield the plugin of each descriptor."""
        ...

    def not_found(self, kind: str, name: str) -> HooklineError:
        """Return the error for a name that is not registered; it lists broken plugins."""
        ...

    def builder_not_found(self, name: str, engine: str) -> UnavailableError:
        """Return the error for an engine of a runtime that is not registered."""
        ...
