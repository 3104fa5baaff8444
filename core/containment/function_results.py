"""Check what the functions of a descriptor return."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import is_dataclass
from types import UnionType

from core.artifacts import Artifact
from core.containment.calls import Fault
from core.errors import HooklineError, shown
from core.kinds.graft import CustomOperators
from core.kinds.part import Availability
from core.kinds.stage import Known
from core.model_facts import CalibrationInput
from core.storage.metadata import ModelMetadata


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


def _options(value: object, location: str) -> object:
    if not is_dataclass(value) or isinstance(value, type):
        raise Fault(f"must return the options (a dataclass), not {shown(value)}", location)
    return value


def _addition(value: object, location: str) -> object:
    if value is not None and not callable(value):
        raise Fault(f"must return a function or None, not {shown(value)}", location)
    return value


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
    "settle": _options,
    "supplement": _addition,
    "head": _something,
    "recognise": _metadata,
}
"""Check of the result of each function of a descriptor, by the name of the field."""
