"""Checks the parts that a config names, and replaces ``auto`` by the best one that can be used here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from core.errors import HooklineError, UnavailableError
from core.kinds import lookup
from core.kinds.building import CalibrationInput
from core.kinds.lookup import HOST
from core.kinds.part import DevicePart
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS, AnyPart
from core.kinds.tracker import Tracker
from core.model_facts import Precision
from core.options.fields import needed_fact, needs_usable, part_names, parts_of
from core.planning.devices import contradicts, device_problems
from core.plugins.containment import PluginError
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.context import RunContext

ConfigT = TypeVar("ConfigT", bound=DataclassInstance)

AUTO = lookup.AUTO
DOCTOR = "doctor"
"""The stage that looks closer at what cannot be used."""
FACTS = {"opens_onnx": "opens ONNX files", "records_activations": "records activations"}
"""Facts of a runtime that a stage can need, in words."""
REASONS = 2
"""How many parts that cannot be used a message names with the reason."""


def resolve_parts(
    config: ConfigT,
    context: RunContext,
    problems: list[HooklineError],
    choices: list[str],
    *,
    runtime: str = AUTO,
) -> ConfigT:
    """The options of a stage with every ``auto`` replaced.

    Args:
        config: Dataclass of options.
        context: For the registered parts and the device.
        runtime: Name of the runtime whose session the stage uses, for processors that work on its device.
        problems: Grows by one for each part that does not exist, cannot be used, or cannot build the precision.
        choices: Grows by one line for each ``auto``: what was picked and why.
    """
    if not is_dataclass(config) or isinstance(config, type):
        return config
    changes: dict[str, str] = {}
    for name, (kind, value) in parts_of(config).items():
        for part in part_names(value):
            fact = needed_fact(config, name)
            try:
                if part == AUTO and kind == "grafts":
                    continue  # depends on the model: Stage.settle
                if part == AUTO and fact:
                    changes[name], choice = runtime_with(fact, context)
                    choices.append(choice)
                elif part == AUTO:
                    changes[name], choice = best_part(kind, context, runtime, needed=needs_usable(config, name))
                    choices.append(choice)
                elif needs_usable(config, name):
                    check_usable(kind, part, context)
                    problems.extend(_lacking(fact, part, context))
                    problems.extend(_misplaced(kind, part, context))
                _check_route(config, kind, changes.get(name, part), context)
            except HooklineError as problem:
                problems.append(problem)
    return replace(config, **changes)


def own_calibration(
    backend: str, precision: Precision | None, context: RunContext, *, needed: bool = True
) -> CalibrationInput:
    """Return what a runtime needs to quantise a float32 model by itself; ``none`` where the stage quantize does it.

    Args:
        backend: Its name, or ``auto``.
        precision: The precision that is asked for; a runtime quantises for int8 only.
        context: For the runtimes and their options.
        needed: As for :func:`best_part`, which answers for ``auto``.
    """
    if precision is not Precision.int8:
        return CalibrationInput.none
    try:
        name = best_part("runtimes", context, needed=needed)[0] if backend == AUTO else backend
        runtime = context.registry.get(Runtime, name)
    except HooklineError:  # the plan reports it
        return CalibrationInput.none
    return runtime.calibrates(context.options("runtimes", name))


def check_usable(kind: str, name: str, context: RunContext) -> None:
    """Refuse a part that is not there or cannot be used on this machine.

    Raises:
        HooklineError: There is none of this name.
        UnavailableError: Says why it cannot be used and what to do.
    """
    part = context.registry.get(PART_KINDS[kind], name)
    if contradicts(part, context.device):
        return  # reported where it matters; installing a package for another device would not help
    state = part.available() if isinstance(part, DevicePart | Tracker) else None
    if state is not None and not state.usable:
        pointer = _doctor(kind, part, context) if DOCTOR not in state.hint else ""
        raise UnavailableError(f"{name} cannot be used here: {state.reason}", state.hint + pointer)


def _doctor(kind: str, part: AnyPart, context: RunContext) -> str:
    """Where to read on about a part on a GPU, whose driver, libraries and packages may all be the cause."""
    if not isinstance(part, DevicePart) or part.device != "cuda" or not _has_doctor(context):
        return ""
    return f"; see +stage={DOCTOR} {KINDS[kind][1]}={part.name}"


def _misplaced(kind: str, name: str, context: RunContext) -> Iterator[HooklineError]:
    """Why a processor cannot work on the device of the run. Of a runtime the plan asks where it builds or opens."""
    if kind == "processors":
        yield from device_problems(kind, context.registry.get(Processor, name), context)


def best_part(kind: str, context: RunContext, runtime: str = AUTO, *, needed: bool = True) -> tuple[str, str]:
    """Name of the usable part with the highest rank for the device that was asked for, and why it was picked.

    A processor on the device of the session comes before the others.

    Args:
        kind: ``runtimes`` or ``processors``.
        context: For the parts and the device.
        runtime: Whose session it is; :data:`core.kinds.lookup.HOST` for one that no runtime opens.
        needed: Whether it is to work; else only its rules are asked for, which need no device.

    Raises:
        UnavailableError: None can be used; names what is wrong with each and what to do.
    """
    ranked = [part for part in context.registry.all(PART_KINDS[kind]).values() if isinstance(part, DevicePart)]
    near = _device_of(runtime, context) if kind == "processors" else ""
    refused: dict[str, HooklineError] = {}
    for part in sorted(ranked, key=lambda part: (part.device != near, -part.rank)):
        if contradicts(part, context.device):
            continue
        try:
            return part.name, f"{kind[:-1]}: {part.name} ({_reason_to_use(part, context.device, needed=needed)})"
        except HooklineError as problem:
            refused[part.name] = problem
            if isinstance(problem, PluginError):
                context.warn(str(problem))
    raise _none_usable(kind, refused, context)


def runtime_with(fact: str, context: RunContext) -> tuple[str, str]:
    """Return the runtime that does what ``fact`` says for models of all runtimes, and a line that says why.

    The user's ``backend`` comes first; then, of the usable ones, those on the device of the run, by rank.

    Args:
        fact: One of :data:`FACTS`.
        context: For the runtimes, ``backend`` and the device.

    Raises:
        UnavailableError: None can be used; names what is wrong with each and what to do.
    """
    able = [item for item in context.registry.all(Runtime).values() if getattr(item, fact)]
    if context.backend in {item.name for item in able}:
        return context.backend, f"{FACTS[fact]}: {context.backend} (the backend)"
    usable: dict[str, str] = {}
    refused: dict[str, HooklineError] = {}
    for item in able:
        try:
            usable[item.name] = _reason_to_use(item, context.device, needed=False)
        except HooklineError as problem:
            refused[item.name] = problem
            if isinstance(problem, PluginError):
                context.warn(str(problem))
    if not usable:
        reasons = "; ".join(f"{name}: {problem.message}" for name, problem in refused.items())
        hints = ", or ".join(filter(None, (problem.hint for problem in refused.values())))
        raise UnavailableError(
            f"no backend that {FACTS[fact]} can be used" + (f" ({reasons})" if reasons else ""),
            hints or "no loaded plugin has any",
        )
    ready = (item for item in able if item.name in usable)
    best = max(ready, key=lambda item: (_works_there(item, context), item.rank))
    return best.name, f"{FACTS[fact]}: {best.name} ({usable[best.name]})"


def _works_there(runtime: Runtime, context: RunContext) -> bool:
    try:
        return not contradicts(runtime, context.device) and not list(runtime.check_device(context.device))
    except PluginError as error:
        context.warn(str(error))
        return False


def _lacking(fact: str, name: str, context: RunContext) -> Iterator[HooklineError]:
    """Yield that a part does not state the fact that is needed."""
    if fact and not getattr(context.registry.get(Runtime, name), fact):
        able = [other.name for other in context.registry.all(Runtime).values() if getattr(other, fact)]
        yield HooklineError(f"'{name}' is no backend that {FACTS[fact]}", f"possible: {', '.join([AUTO, *able])}")


def _reason_to_use(part: DevicePart[object], device: str, *, needed: bool) -> str:
    """Why a part can be used; what it lacks is raised."""
    state = part.available()
    if not state.usable:
        raise UnavailableError(state.reason, state.hint)
    for problem in part.check_device(device) if needed else ():
        raise problem
    return state.reason


def _none_usable(kind: str, refused: Mapping[str, HooklineError], context: RunContext) -> UnavailableError:
    """Why no part of a kind can be used; the first one had the highest rank, the doctor explains the others."""
    noun = KINDS[kind][1]
    named = list(refused.items())[:REASONS]
    reasons = "; ".join(f"{name}: {problem.message.removeprefix(f'{name} ')}" for name, problem in named)
    others = [part for part in context.registry.all(PART_KINDS[kind]).values() if contradicts(part, context.device)]
    ways = ["set device=auto"] if others else []
    for name, problem in named[:1]:
        doctor = isinstance(problem, UnavailableError) and _has_doctor(context)
        ways.append(f"see +stage={DOCTOR} {noun}={name}" if doctor else problem.hint)
    return UnavailableError(
        f"no {noun} can be used with device={context.device}" + (f" ({reasons})" if reasons else ""),
        ", or ".join(filter(None, ways)) or "no loaded plugin has any",
    )


def _device_of(runtime: str, context: RunContext) -> str:
    """The device of a runtime's sessions, for ``auto`` that of the best one; empty where there is none."""
    if runtime == HOST:
        return "cpu"
    try:
        name = best_part("runtimes", context)[0] if runtime == AUTO else runtime
        return context.registry.get(Runtime, name).device
    except HooklineError:
        return ""


def _has_doctor(context: RunContext) -> bool:
    return any(stage.name == DOCTOR for stage in context.registry.all(Stage).values())


def _check_route(config: object, kind: str, name: str, context: RunContext) -> None:
    """A runtime that has no way to the precision that was asked for is refused, never replaced."""
    part, precision = context.registry.get(PART_KINDS[kind], name), getattr(config, "precision", None)
    if isinstance(part, Runtime) and precision is not None and precision not in part.precisions:
        possible = ", ".join(sorted(item.value for item in part.precisions))
        raise HooklineError(f"{name} cannot build precision={precision.value}", f"possible: {possible}")
