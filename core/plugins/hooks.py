"""The hooks of all plugins, called through pluggy.

pluggy ends a call at the first exception. Therefore it calls a stand-in for each plugin, which contains exceptions: an
observer that fails is reported, and the other observers are called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pluggy

from core.containment.calls import Fault
from core.errors import unknown
from core.kinds.lookup import PROJECT, Origin
from core.plugins import hookspecs
from core.plugins.contained_hooks import PREFIX, ContainedHooks
from core.reporting import ignore
from core.version import __version__


class Hooks(pluggy.PluginManager):
    """The hooks of all plugins.

    Attributes:
        warn: Gets one line for each observer or wrapper that fails.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(hookspecs)
        self.warn: Callable[[str], None] = ignore
        self._stand_ins: dict[str, ContainedHooks] = {}

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a plugin of hookline as :meth:`add` does, and return its name."""
        title = name or self.get_canonical_name(plugin)
        self.add(plugin, Origin(title, PROJECT, __version__))
        return title

    def unregister(self, plugin: object | None = None, name: str | None = None) -> object | None:
        """Remove a plugin, given as the object or by name."""
        title = name or next(title for title, item in self._stand_ins.items() if item.plugin is plugin)
        return super().unregister(self._stand_ins.pop(title))

    def add(self, plugin: object, origin: Origin) -> tuple[str, ...]:
        """Register a plugin.

        Returns:
            One line for each function ``hookline_*`` without the mark of ``hookimpl``; it is never called.

        Raises:
            Fault: The plugin is registered already, a hook of this name does not exist, or the hook has no argument of
                this name.
            PluginError: Reading the attributes of the plugin failed.
        """
        if previous := next((name for name, item in self._stand_ins.items() if item.plugin is plugin), ""):
            raise Fault(f"it is already loaded as '{previous}'")
        stand_in = ContainedHooks(plugin, origin, self._report)
        for name in stand_in.hooks:
            if not hasattr(hookspecs, name):
                problem = unknown("hook", name, (item for item in vars(hookspecs) if item.startswith(PREFIX)))
                raise Fault(str(problem), stand_in.locations[name])
            _check_arguments(name, stand_in)
        try:
            super().register(stand_in, origin.plugin)
        except pluggy.PluginValidationError as error:
            where = next((location for name, location in stand_in.locations.items() if name in str(error)), "")
            raise Fault(" ".join(str(error).split("\n")[2:]) or str(error), where) from error
        self._stand_ins[origin.plugin] = stand_in
        return stand_in.unmarked

    def hooks_of(self, name: str) -> frozenset[str]:
        """Return the hooks that a registered plugin implements."""
        return frozenset(self._stand_ins[name].hooks)

    def origins(self) -> Iterator[Origin]:
        """Yield the registered plugins."""
        return (item.origin for item in self._stand_ins.values())

    def location_of(self, name: str, hook: str) -> str:
        """Return file and line of a plugin's function for a hook."""
        return self._stand_ins[name].locations.get(hook, "")

    def yielded(self, name: str, hook: str) -> list[tuple[object, bool]]:
        """Call a registration hook of one plugin, with the wrappers of all plugins.

        Returns:
            Each value, and whether a wrapper added it.

        Raises:
            PluginError: The plugin's function failed.
        """
        stand_in = self._stand_ins[name]
        if hook not in stand_in.hooks or hook in stand_in.wrappers:
            return []
        others = [item for item in self._stand_ins.values() if item is not stand_in and hook not in item.wrappers]
        results: list[list[object]] = self.subset_hook_caller(hook, others)()
        own = stand_in.yielded.pop(hook)
        return [(value, not any(value is item for item in own)) for result in results for value in result]

    def wrapping(self, hook: str) -> Iterator[Origin]:
        """Yield the plugins that wrap a hook."""
        return (item.origin for item in self._stand_ins.values() if hook in item.wrappers)

    def _report(self, line: str) -> None:
        self.warn(line)  # of the current run

    @contextmanager
    def reporting(self, warn: Callable[[str], None]) -> Iterator[None]:
        """Report failures to ``warn`` during the block."""
        previous, self.warn = self.warn, warn
        try:
            yield
        finally:
            self.warn = previous


def _check_arguments(hook: str, stand_in: ContainedHooks) -> None:
    """Refuse a function that takes an argument which the hook does not have.

    Raises:
        Fault: Names the argument and the possible ones.
    """
    possible = inspect.signature(getattr(hookspecs, hook)).parameters
    for name in stand_in.arguments[hook]:
        if name not in possible:
            problem = unknown(f"argument of {hook}", name, possible)
            raise Fault(
                f"{problem}; write def {hook}({', '.join(possible)}), or fewer of these parameters",
                stand_in.locations[hook],
            )
