"""The stand-in that pluggy calls in place of a plugin: it contains what the functions of the plugin raise."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeAlias

import pluggy

from core.containment.calls import Fault, PluginError, contained, source_location
from core.errors import HooklineError, reason_of, shown
from core.kinds.lookup import PROJECT, Origin
from core.kinds.table import KINDS
from core.plugins import hookspecs

PREFIX = f"{PROJECT}_"
MARK = f"{PROJECT}_impl"
"""The attribute that ``hookimpl`` sets on a function."""
REGISTRATION = frozenset({*(f"{PREFIX}{kind}" for kind in KINDS), f"{PREFIX}conf"})
"""Hooks that yield values; all others observe the run."""
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
P = ParamSpec("P")
Wrapping: TypeAlias = Generator[None, object, object]


class ContainedHooks:
    """Stand-in for a plugin; each of its functions calls the function of the plugin in :func:`contained`.

    Args:
        plugin: The module or object.
        origin: What ships the plugin.
        report: Gets one line for each observer or wrapper that fails.

    Attributes:
        plugin, origin: The arguments.
        hooks: Names of the hooks that the plugin implements.
        wrappers: Names of the hooks that it wraps.
        locations: File and line by hook.
        arguments: Names of the arguments that its functions take, by hook.
        yielded: Values of the last call of its registration hooks, by hook.
        unmarked: One line for each function ``hookline_*`` that is not marked with ``hookimpl``.
    """

    def __init__(self, plugin: object, origin: Origin, report: Callable[[str], None]) -> None:
        self.plugin = plugin
        self.origin = origin
        self.hooks: set[str] = set()
        self.wrappers: set[str] = set()
        self.locations: dict[str, str] = {}
        self.arguments: dict[str, tuple[str, ...]] = {}
        self.yielded: dict[str, list[object]] = {}
        self.unmarked: tuple[str, ...] = ()
        self._warn = report
        self._functions: list[str] = []
        with contained(origin, "looking for hooks"):
            self._take(plugin)

    def __dir__(self) -> list[str]:
        """Return the names of the functions that pluggy inspects."""
        return self._functions

    def _take(self, plugin: object) -> None:
        for name in dir(plugin):
            function = getattr(plugin, name, None)
            options = getattr(function, MARK, None) if callable(function) else None
            if isinstance(options, dict) and function is not None:
                hook = str(options.get("specname") or name)
                self.hooks.add(hook)
                self.locations[hook] = source_location(function)
                self.arguments[hook] = _required(function)
                setattr(self, name, self._stand_in_for(function, hook, options))
                self._functions.append(name)
            elif name.startswith(PREFIX) and callable(function) and function is not getattr(hookspecs, name, None):
                self.unmarked += (
                    f"'{name}' is not marked with @hookimpl and is never called ({source_location(function)})",
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
            with contained(self.origin, hook, self.locations[hook]):
                values = function(*args, **kwargs)
                if not isinstance(values, Iterable) or isinstance(values, str | bytes):
                    raise Fault(f"must yield its values, not return {shown(values)}", self.locations[hook])
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
        """Return the stand-in of a wrapper. If the wrapper fails, the result stays unchanged."""

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
            if isinstance(result, pluggy.Result):  # a wrapper in the old style (hookwrapper=True) changes this object
                previous = None if result.exception else result.get_result()
                with self._reported(hook):
                    _finished(running, result)
                    if result.exception is None:
                        self._check(result.get_result(), hook)
                    return None
                result.force_result(previous)
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
            raise Fault(f"the wrapper must return the list of results, not {shown(results)}", self.locations[hook])

    @contextmanager
    def _reported(self, hook: str) -> Iterator[None]:
        """Report an exception of the block and continue."""
        try:
            with contained(self.origin, hook, self.locations[hook]):
                yield
        except PluginError as error:
            self._report(hook, error.reason.removeprefix(f"{hook}: "))
        except HooklineError as error:
            self._report(hook, reason_of(error))

    def _report(self, hook: str, reason: str) -> None:
        self._warn(
            f"plugin '{self.origin.plugin}' ({self.origin.distribution} {self.origin.version}) failed in {hook}:"
            f" {reason}; disable the plugin with plugins.disable=[{self.origin.plugin}]"
        )


def _required(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names of the parameters without a default; pluggy passes these."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(item.name for item in parameters if item.kind in POSITIONAL and item.default is item.empty)


def _finished(wrapper: Wrapping, result: object) -> object:
    """Resume a wrapper with a result and return its own result."""
    try:
        wrapper.send(result)
    except StopIteration as end:
        return end.value
    wrapper.close()
    raise Fault("a wrapper must yield once; this one yielded twice")
