"""Descriptors of outside plugins with contained functions: failures name the plugin, and results are checked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import ParamSpec, TypeVar

from core.containment.calls import contained, source_location, within_limit
from core.containment.function_results import RESULTS
from core.kinds.lookup import Origin
from core.kinds.table import Descriptor

P = ParamSpec("P")
DescriptorT = TypeVar("DescriptorT", bound=Descriptor)
LIMITED = frozenset({"available", "check_device"})
"""Functions that runs call even if they use another part; they must return within a time limit."""
RUNNER = "run"
"""The function of a stage. It stays as it is: the planner reads its annotations, and the runner contains it."""


def guarded(part: DescriptorT, origin: Origin) -> DescriptorT:
    """Return a descriptor with contained functions; the result of each is checked."""
    functions = {item.name: getattr(part, item.name) for item in fields(part) if item.name != RUNNER}
    defaults = {item.name: item.default for item in fields(part)}
    changes = {
        name: _guarded(function, name, f"{type(part).__name__} '{part.name}'", origin)
        for name, function in functions.items()
        if callable(function) and not isinstance(function, type) and inspect.unwrap(function) is not defaults[name]
    }
    return replace(part, **changes)  # type: ignore[arg-type]  # each value replaces a function


def _guarded(function: Callable[P, object], name: str, owner: str, origin: Origin) -> Callable[P, object]:
    check = RESULTS.get(name)
    location = source_location(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> object:
        def work() -> object:
            result = function(*args, **kwargs)
            return check(result, location) if check else result

        with contained(origin, f"{name} of {owner}", location):
            return within_limit(work) if name in LIMITED else work()

    return call
