"""The pluggy manager of hookline: every implementation is called by pluggy, and contained.

pluggy ends a call at the first exception. Each plugin is therefore registered as a stand-in whose functions contain
what those of the plugin raise: an observer that fails is reported and changes nothing for the others.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeAlias

import pluggy

from core.errors import HooklineError, reason_of, shown, unknown
from core.kinds.lookup import PROJECT, Origin
from core.kinds.table import KINDS
from core.plugins import hookspecs
from core.plugins.containment import Fault, PluginError, contained, source_place
from core.reporting import ignore
from core.version import __version__

PREFIX = f"{PROJECT}_"
MARK = f"{PROJECT}_impl"
"""The attribute that ``hookimpl`` sets on a function."""
REGISTRATION = frozenset({*(f"{PREFIX}{kind}" for kind in KINDS), f"{PREFIX}conf"})
"""Hooks that yield values; the others observe."""
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
P = ParamSpec("P")
Wrapping: TypeAlias = Generator[None, object, object]


class Hooks(pluggy.PluginManager):
    """The hooks of all plugins.

    Attributes:
        warn: Gets one line for each observer or wrapper that fails.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(hookspecs)
        self.warn: Callable[[str], None] = ignore
        self._stand_ins: dict[str, _ContainedPlugin] = {}

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a plugin of hookline itself, as :meth:`add` does."""
        title = name or self.get_canonical_name(plugin)
        self.add(plugin, Origin(title, PROJECT, __version__))
        return title

    def unregister(self, plugin: object | None = None, name: str | None = None) -> object | None:
        """Remove a plugin by itself or by its name."""
        title = name or next(title for title, item in self._stand_ins.items() if item.plugin is plugin)
        return super().unregister(self._stand_ins.pop(title))

    def add(self, plugin: object, origin: Origin) -> tuple[str, ...]:
        """Register a plugin.

        Returns:
            One line for each ``hookline_*`` function that is not marked, and so never called.

        Raises:
            Fault: It is registered already, it has no hooks by that name, or a hook does not take these arguments.
            PluginError: Looking at it failed.
        """
        if former := next((name for name, item in self._stand_ins.items() if item.plugin is plugin), ""):
            raise Fault(f"it is loaded already, as '{former}'")
        stand_in = _ContainedPlugin(plugin, origin, self)
        for name in stand_in.hooks:
            if not hasattr(hookspecs, name):
                problem = unknown("hook", name, (item for item in vars(hookspecs) if item.startswith(PREFIX)))
                raise Fault(str(problem), stand_in.places[name])
            _check_arguments(name, stand_in)
        try:
            super().register(stand_in, origin.plugin)
        except pluggy.PluginValidationError as error:
            where = next((place for name, place in stand_in.places.items() if name in str(error)), "")
            raise Fault(" ".join(str(error).split("\n")[2:]) or str(error), where) from error
        self._stand_ins[origin.plugin] = stand_in
        return stand_in.unmarked

    def hooks_of(self, name: str) -> frozenset[str]:
        """Return the hooks that a registered plugin implements."""
        return frozenset(self._stand_ins[name].hooks)

    def origins(self) -> Iterator[Origin]:
        """Yield the registered plugins."""
        return (item.origin for item in self._stand_ins.values())

    def place_of(self, name: str, hook: str) -> str:
        """Return file and line of a plugin's function for a hook."""
        return self._stand_ins[name].places.get(hook, "")

    def yielded(self, name: str, hook: str) -> list[tuple[object, bool]]:
        """Call a registration hook of one plugin, with the wrappers of all.

        Returns:
            Each value, and whether a wrapper put it there.

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

    @contextmanager
    def reporting(self, warn: Callable[[str], None]) -> Iterator[None]:
        """Report failures to ``warn`` while the block runs."""
        former, self.warn = self.warn, warn
        try:
            yield
        finally:
            self.warn = former


class _ContainedPlugin:
    """What pluggy calls in place of a plugin.

    Attributes:
        plugin: The plugin itself.
        hooks: Names of the hooks that it implements.
        wrappers: Those of them that it wraps.
        places: File and line by hook.
        arguments: Names of the arguments that it takes, by hook.
        yielded: What its registration hooks gave when they were called last.
        unmarked: One line for each function that looks like a hook and is not marked.
    """

    def __init__(self, plugin: object, origin: Origin, hooks: Hooks) -> None:
        self.plugin = plugin
        self.origin = origin
        self.hooks: set[str] = set()
        self.wrappers: set[str] = set()
        self.places: dict[str, str] = {}
        self.arguments: dict[str, tuple[str, ...]] = {}
        self.yielded: dict[str, list[object]] = {}
        self.unmarked: tuple[str, ...] = ()
        self._manager = hooks
        self._functions: list[str] = []
        with contained(origin, "looking for hooks"):
            self._take(plugin)

    def __dir__(self) -> list[str]:
        """Return the functions that pluggy is to look at."""
        return self._functions

    def _take(self, plugin: object) -> None:
        for name in dir(plugin):
            function = getattr(plugin, name, None)
            options = getattr(function, MARK, None) if callable(function) else None
            if isinstance(options, dict) and function is not None:
                hook = str(options.get("specname") or name)
                self.hooks.add(hook)
                self.places[hook] = source_place(function)
                self.arguments[hook] = _required(function)
                setattr(self, name, self._stand_in_for(function, hook, options))
                self._functions.append(name)
            elif name.startswith(PREFIX) and callable(function) and function is not getattr(hookspecs, name, None):
                self.unmarked += (
                    f"'{name}' is not marked with @hookimpl and is never called ({source_place(function)})",
                )

    def _stand_in_for(self, function: Callable[..., Wrapping], hook: str, options: dict[str, object]) -> object:
        if options.get("wrapper") or options.get("hookwrapper"):
            self.wrappers.add(hook)
            return self._wrapping(function, hook)
        return self._yielding(function, hook) if hook in REGISTRATION else self._observing(function, hook)

    def _yielding(self, function: Callable[P, object], hook: str) -> Callable[P, list[object]]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> list[object]:
            self.yielded[hook] = []
            with contained(self.origin, hook, self.places[hook]):
                values = function(*args, **kwargs)
                if not isinstance(values, Iterable) or isinstance(values, str | bytes):
                    raise Fault(f"must yield its values, and returned {shown(values)}", self.places[hook])
                self.yielded[hook] = list(values)
            return self.yielded[hook]

        return call

    def _observing(self, function: Callable[P, object], hook: str) -> Callable[P, None]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            with self._reported(hook):
                function(*args, **kwargs)

        return call

    def _wrapping(self, function: Callable[P, Wrapping], hook: str) -> Callable[P, Wrapping]:
        """A wrapper that fails leaves the result as it is."""

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Wrapping:
            running: Wrapping | None = None
            with self._reported(hook):
                started = function(*args, **kwargs)
                next(started)
                running = started
            result = yield
            if running is None:
                return result
            if isinstance(result, pluggy.Result):  # an old wrapper, which changes what it got
                former = None if result.exception else result.get_result()
                with self._reported(hook):
                    _finished(running, result)
                    if result.exception is None:
                        self._check(result.get_result(), hook)
                    return None
                result.force_result(former)
                return None
            with self._reported(hook):
                changed = _finished(running, result)
                self._check(changed, hook)
                return changed
            return result

        return call

    def _check(self, results: object, hook: str) -> None:
        lists = isinstance(results, list) and all(isinstance(item, list) for item in results)
        if hook in REGISTRATION and not lists:
            raise Fault(f"a wrapper must leave the list of results, and left {shown(results)}", self.places[hook])

    @contextmanager
    def _reported(self, hook: str) -> Iterator[None]:
        """Report what the block raises, and go on."""
        try:
            with contained(self.origin, hook, self.places[hook]):
                yield
        except PluginError as error:
            self._report(hook, error.reason.removeprefix(f"{hook}: "))
        except HooklineError as error:
            self._report(hook, reason_of(error))

    def _report(self, hook: str, reason: str) -> None:
        self._manager.warn(
            f"plugin '{self.origin.plugin}' ({self.origin.distribution} {self.origin.version}) failed in {hook}:"
            f" {reason}; plugins.disable=[{self.origin.plugin}] leaves it out"
        )


def _check_arguments(hook: str, stand_in: _ContainedPlugin) -> None:
    """Refuse an argument that the hook does not have.

    Raises:
        Fault: Names it, and those that are possible.
    """
    possible = inspect.signature(getattr(hookspecs, hook)).parameters
    for name in stand_in.arguments[hook]:
        if name not in possible:
            problem = unknown(f"argument of {hook}", name, possible)
            raise Fault(
                f"{problem}; write def {hook}({', '.join(possible)}) with the arguments that it reads",
                stand_in.places[hook],
            )


def _required(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the arguments that pluggy passes: those without a default."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(item.name for item in parameters if item.kind in POSITIONAL and item.default is item.empty)


def _finished(wrapper: Wrapping, result: object) -> object:
    """Return what a wrapper makes of a result."""
    try:
        wrapper.send(result)
    except StopIteration as end:
        return end.value
    wrapper.close()
    raise Fault("a wrapper yields once, and this one yielded again")
