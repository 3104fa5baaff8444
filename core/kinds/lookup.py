"""The registry as stages and checks of a plan use it: descriptors by kind and name, and who ships them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from core.errors import HooklineError, UnavailableError

PROJECT = "hookline"
"""The distribution that ships hookline, and the prefix of the names of its hooks."""
AUTO = "auto"
"""The name that stands for the best part of a kind that can be used."""
HOST = ""
"""In place of a runtime: a model family opens the model itself, and its session takes and gives arrays of the host."""


class Described(Protocol):
    """What the descriptors of stages and of parts have in common.

    Attributes:
        kind: The hook's name without its prefix, e.g. ``runtimes``; the same for all instances of a class.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The word that the user types."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Names on the package index."""
        ...


DescribedT = TypeVar("DescribedT", bound=Described)


@dataclass(frozen=True)
class Origin:
    """Who registered something.

    Attributes:
        plugin: The plugin's name.
        distribution, version: What ships it.
        module: Where its code is; empty where that is not known.
    """

    plugin: str
    distribution: str
    version: str
    module: str = ""

    @property
    def outside(self) -> bool:
        """Whether another distribution than hookline ships it."""
        return self.distribution != PROJECT

    @property
    def installed(self) -> bool:
        """Whether it comes with an installed distribution, whose version says something."""
        return not self.distribution.startswith("$")

    @property
    def code(self) -> str:
        """The package whose files shape its results: of ours that of the stage or backend, of others the whole."""
        return self.package if self.outside else self.module.removesuffix(".plugin")

    @property
    def package(self) -> str:
        """The top-level package of its code."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin '{self.plugin}')"


class Parts(Protocol):
    """Registered descriptors by kind and name; ``RunContext.registry`` is one."""

    def get(self, kind: type[DescribedT], name: str) -> DescribedT:
        """Return the descriptor of a class that has a name, e.g. ``get(Runtime, "onnxruntime")``.

        Raises:
            HooklineError: No such name; lists the nearest ones and the plugins that are broken.
        """
        ...

    def all(self, kind: type[DescribedT]) -> Mapping[str, DescribedT]:
        """Return all descriptors of a class by name, in order of registration."""
        ...

    def part(self, kind: str, name: str) -> Described:
        """Return one descriptor by the name of its kind; :meth:`get` knows its class."""
        ...

    def parts(self, kind: str) -> Mapping[str, Described]:
        """Return all descriptors of a kind by name; :meth:`all` knows their class."""
        ...

    def origin(self, kind: str, name: str) -> Origin:
        """Return who registered a descriptor."""
        ...

    def owner(self, kind: str, name: str) -> Origin | None:
        """Return who registered a name; None for nobody."""
        ...

    def origins(self) -> Iterator[Origin]:
        """Yield who registered each descriptor."""
        ...

    def not_found(self, kind: str, name: str) -> HooklineError:
        """Return the error for a name that nobody registered; a broken plugin may have wanted to."""
        ...

    def builder_not_found(self, name: str, engine: str) -> UnavailableError:
        """Return the error for an engine whose runtime nobody registered."""
        ...
