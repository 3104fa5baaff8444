"""Descriptors of outside plugins with contained functions: failures name the plugin, and results are checked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from types import UnionType
from typing import ParamSpec, TypeVar

from core.artifacts import Artifact
from core.errors import HooklineError, shown
from core.kinds.building import CalibrationInput
from core.kinds.graft import CustomOperators
from core.kinds.lookup import Origin
from core.kinds.part import Availability
from core.kinds.stage import Known
from core.kinds.table import Descriptor
from core.plugins.containment import Fault, contained, source_location, within_limit
from core.storage.metadata import ModelMetadata

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


def _expect(value: object, kind: type[object] | UnionType, expected: str, location: str) -> object:
    if not isinstance(value, kind):
        raise Fault(f"must return {expected}, not {shown(value)}", location)
    return value


def _availability(value: object, location: str) -> object:
    return _expect(value, Availability, "an Availability", location)


def _problems(value: object, location: str) -> object:
    """Check problems. The list is made here, because a generator would run outside the contained call."""
    if not isinstance(value, Iterable):
        raise Fault(f"must yield problems (HooklineError), not {shown(value)}", location)
    listed = list(value)
    for problem in listed:
        _expect(problem, HooklineError, "problems (HooklineError)", location)
    return listed


def _truth(value: object, location: str) -> object:
    return _expect(value, bool, "True or False", location)


def _kinds(value: object, location: str) -> object:
    if not isinstance(value, Collection) or not all(isinstance(x, type) and issubclass(x, Artifact) for x in value):
        raise Fault(f"must return artifact types, not {shown(value)}", location)
    return value


def _facts(value: object, location: str) -> object:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for item in value.items() for text in item):
        raise Fault(f"must return a mapping of texts, not {shown(value)}", location)
    return value


def _known(value: object, location: str) -> object:
    return _expect(value, Known, "a Known", location)


def _calibration(value: object, location: str) -> object:
    return _expect(value, CalibrationInput, "a CalibrationInput", location)


def _operators(value: object, location: str) -> object:
    return _expect(value, CustomOperators, "CustomOperators", location)


def _names(value: object, location: str) -> object:
    if isinstance(value, str) or not isinstance(value, Collection) or not all(isinstance(name, str) for name in value):
        raise Fault(f"must return names, not {shown(value)}", location)
    return value


def _iterated_names(value: object, location: str) -> object:
    """Check names. The list is made here, because a generator would run outside the contained call."""
    return _names(list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value, location)


def _metadata(value: object, location: str) -> object:
    return _expect(value, ModelMetadata | None, "a ModelMetadata or None", location)


def _something(value: object, location: str) -> object:
    if value is None:
        raise Fault("must return an object, not None", location)
    return value


RESULTS: Mapping[str, Callable[[object, str], object]] = {
    "available": _availability,
    "check_device": _problems,
    "check_options": _problems,
    "check_build": _problems,
    "calibrates": _calibration,
    "portable": _names,
    "operators": _operators,
    "check_head": _problems,
    "check": _problems,
    "check_inputs": _problems,
    "load": _something,
    "given": _truth,
    "resumable": _truth,
    "select": _kinds,
    "fingerprint": _facts,
    "known": _known,
    "families": _iterated_names,
    "head": _something,
    "recognise": _metadata,
}
"""Check of the result of each function of a descriptor, by the name of the field."""
