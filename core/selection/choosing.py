"""Choose the best part of a kind that is usable on this machine and on the device of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.containment.calls import PluginError
from core.errors import HooklineError, UnavailableError
from core.kinds.lookup import AUTO, HOST
from core.kinds.part import DevicePart
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS, AnyPart
from core.kinds.tracker import Tracker
from core.model_facts import CalibrationInput, Precision
from core.selection.devices import contradicts

if TYPE_CHECKING:
    from core.kinds.context import RunContext

DOCTOR = "doctor"
"""The stage that explains why a part is not usable."""
ABILITIES = {"opens_onnx": "opens ONNX files", "records_activations": "records activations"}
"""Abilities of a runtime that a stage can require: field of the descriptor and words for messages."""
REASONS = 2
"""Maximum number of unusable parts that a message names with reasons."""


def check_usable(kind: str, name: str, context: RunContext) -> None:
    """Refuse a part that does not exist or is not usable on this machine.

    Raises:
        HooklineError: No part has this name.
        UnavailableError: The part is not usable; gives the reason and the remedy.
    """
    part = context.registry.get(PART_KINDS[kind], name)
    if contradicts(part, context.device):
        return  # reported elsewhere; a package for another device would not help
    state = part.available() if isinstance(part, DevicePart | Tracker) else None
    if state is not None and not state.usable:
        pointer = _doctor(kind, part, context) if DOCTOR not in state.hint else ""
        raise UnavailableError(f"{name} cannot be used here: {state.reason}", state.hint + pointer)


def _doctor(kind: str, part: AnyPart, context: RunContext) -> str:
    """Return a reference to the doctor for a part on a GPU, where the driver or libraries can be the cause."""
    if not isinstance(part, DevicePart) or part.device != "cuda" or not _has_doctor(context):
        return ""
    return f"; see +stage={DOCTOR} {KINDS[kind].noun}={part.name}"


def best_part(kind: str, context: RunContext, runtime: str = AUTO, *, needed: bool = True) -> tuple[str, str]:
    """Return the usable part with the highest rank for the requested device, and a line with the reason.

    Processors on the device of the session come before others.

    Args:
        kind: ``runtimes`` or ``processors``.
        context: For the parts and the device.
        runtime: The runtime of the session; :data:`core.kinds.lookup.HOST` for a session of a model family.
        needed: Whether the part must work here; otherwise only its rules are needed, which need no device.

    Raises:
        UnavailableError: No part is usable; gives the reasons and the remedy.
    """
    ranked = [part for part in context.registry.all(PART_KINDS[kind]).values() if isinstance(part, DevicePart)]
    near = _device_of(runtime, context) if kind == "processors" else ""
    refused: dict[str, HooklineError] = {}
    for part in sorted(ranked, key=lambda part: (part.device != near, -part.rank)):
        if contradicts(part, context.device):
            continue
        try:
            return part.name, f"{KINDS[kind].noun}: {part.name} ({_reason_to_use(part, context.device, needed=needed)})"
        except HooklineError as problem:
            refused[part.name] = problem
            if isinstance(problem, PluginError):
                context.warn(str(problem))
    raise _none_usable(kind, refused, context)


def runtime_with(ability: str, context: RunContext) -> tuple[str, str]:
    """Return a runtime with an ability, and a line with the reason.

    The user's ``backend`` comes first, then usable runtimes on the device of the run, then others, each by rank.

    Args:
        ability: One of :data:`ABILITIES`.
        context: For the runtimes, ``backend`` and the device.

    Raises:
        UnavailableError: No runtime is usable; gives the reasons and the remedy.
    """
    able = [item for item in context.registry.all(Runtime).values() if getattr(item, ability)]
    if context.backend in {item.name for item in able}:
        return context.backend, f"{ABILITIES[ability]}: {context.backend} (the backend)"
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
            f"no backend that {ABILITIES[ability]} can be used" + (f" ({reasons})" if reasons else ""),
            hints or "no loaded plugin has one",
        )
    ready = (item for item in able if item.name in usable)
    best = max(ready, key=lambda item: (_works_there(item, context), item.rank))
    return best.name, f"{ABILITIES[ability]}: {best.name} ({usable[best.name]})"


def own_calibration(
    backend: str, precision: Precision | None, context: RunContext, *, needed: bool = True
) -> CalibrationInput:
    """Return what a runtime needs to quantize a float32 model itself; ``none`` if the stage quantize does it.

    Args:
        backend: Name of the runtime, or ``auto``.
        precision: The requested precision; a runtime quantizes only for int8.
        context: For the runtimes and their options.
        needed: As for :func:`best_part`, which resolves ``auto``.
    """
    if precision is not Precision.int8:
        return CalibrationInput.none
    try:
        name = best_part("runtimes", context, needed=needed)[0] if backend == AUTO else backend
        runtime = context.registry.get(Runtime, name)
    except HooklineError:  # the plan reports it
        return CalibrationInput.none
    return runtime.calibrates(context.options("runtimes", name))


def _works_there(runtime: Runtime, context: RunContext) -> bool:
    try:
        return not contradicts(runtime, context.device) and not list(runtime.check_device(context.device))
    except PluginError as error:
        context.warn(str(error))
        return False


def _reason_to_use(part: DevicePart[object], device: str, *, needed: bool) -> str:
    """Return why a part is usable.

    Raises:
        UnavailableError: It is not usable; gives the reason and the remedy.
    """
    state = part.available()
    if not state.usable:
        raise UnavailableError(state.reason, state.hint)
    for problem in part.check_device(device) if needed else ():
        raise problem
    return state.reason


def _none_usable(kind: str, refused: Mapping[str, HooklineError], context: RunContext) -> UnavailableError:
    """Return the error that no part of a kind is usable. The hint is about the part of the highest rank."""
    noun = KINDS[kind].noun
    named = list(refused.items())[:REASONS]
    reasons = "; ".join(f"{name}: {problem.message.removeprefix(f'{name} ')}" for name, problem in named)
    others = [part for part in context.registry.all(PART_KINDS[kind]).values() if contradicts(part, context.device)]
    ways = ["set device=auto"] if others else []
    for name, problem in named[:1]:
        doctor = isinstance(problem, UnavailableError) and _has_doctor(context)
        ways.append(f"see +stage={DOCTOR} {noun}={name}" if doctor else problem.hint)
    return UnavailableError(
        f"no {noun} can be used with device={context.device}" + (f" ({reasons})" if reasons else ""),
        ", or ".join(filter(None, ways)) or "no loaded plugin has one",
    )


def _device_of(runtime: str, context: RunContext) -> str:
    """Return the device of a runtime's sessions, for ``auto`` that of the best runtime; empty if there is none."""
    if runtime == HOST:
        return "cpu"
    try:
        name = best_part("runtimes", context)[0] if runtime == AUTO else runtime
        return context.registry.get(Runtime, name).device
    except HooklineError:
        return ""


def _has_doctor(context: RunContext) -> bool:
    return DOCTOR in context.registry.all(Stage)
