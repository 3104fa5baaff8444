"""Checks the parts that a config names, and replaces ``auto`` by the best one that can be used here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any

from core import registry
from core.config import needs_usable, part_names, parts_of
from core.devices import contradicts, device_problems, place_of
from core.errors import HooklineError, UnavailableError
from core.opening import HOST
from core.registry import KINDS

if TYPE_CHECKING:
    from core.context import RunContext

AUTO = registry.AUTO
DOCTOR = "doctor"
"""The stage that looks closer at what cannot be used."""


def resolve_parts(
    config: Any, context: RunContext, problems: list[HooklineError], choices: list[str], *, runtime: str = AUTO
) -> Any:
    """The options of a stage with every ``auto`` replaced.

    Args:
        config: Dataclass of options.
        context: For the registered parts and the device.
        runtime: Name of the runtime whose session the stage uses, for processors that work on its device.
        problems: Grows by one for each part that does not exist, cannot be used, or has no route for the precision.
        choices: Grows by one line for each ``auto``: what was picked and why.
    """
    if not is_dataclass(config) or isinstance(config, type):
        return config
    changes: dict[str, Any] = {}
    for name, (kind, value) in parts_of(config).items():
        for part in part_names(value):
            try:
                if part == AUTO:
                    changes[name], choice = best_part(kind, context, runtime, needed=needs_usable(config, name))
                    choices.append(choice)
                elif needs_usable(config, name):
                    check_usable(kind, part, context)
                    problems.extend(_misplaced(kind, part, context))
                _check_route(config, kind, changes.get(name, part), context)
            except HooklineError as problem:
                problems.append(problem)
    return replace(config, **changes)


def check_usable(kind: str, name: str, context: RunContext) -> None:
    """Refuse a part that is not there or cannot be used on this machine.

    Raises:
        HooklineError: There is none of this name.
        UnavailableError: Says why it cannot be used and what to do.
    """
    part = context.registry.part(kind, name)
    if contradicts(part, context.device):
        return  # told where it matters; to install what cannot be used would not help
    available = getattr(part, "available", None)
    state = available() if available else None
    if state is not None and not state.usable:
        pointer = _doctor(kind, part, context) if DOCTOR not in state.hint else ""
        raise UnavailableError(f"{name} cannot be used here: {state.reason}", state.hint + pointer)


def _doctor(kind: str, part: Any, context: RunContext) -> str:
    """Where to read on about a part on a GPU, whose driver, libraries and packages may all be the cause."""
    if getattr(part, "device", "") != "cuda" or DOCTOR not in context.registry.parts("stages"):
        return ""
    return f"; +stage={DOCTOR} {KINDS[kind][1]}={part.name} looks closer"


def _misplaced(kind: str, name: str, context: RunContext) -> Iterator[HooklineError]:
    """Why a processor cannot work on the device of the run. Of a runtime the plan asks where it builds or opens."""
    if kind == "processors":
        yield from device_problems(kind, context.registry.part(kind, name), context)


def best_part(kind: str, context: RunContext, runtime: str = AUTO, *, needed: bool = True) -> tuple[str, str]:
    """Name of the usable part with the highest rank for the device that was asked for, and why it was picked.

    A processor on the device of the session comes before the others.

    Args:
        kind: ``runtimes`` or ``processors``.
        context: For the parts and the device.
        runtime: Whose session it is; :data:`core.opening.HOST` for one that no runtime opens.
        needed: Whether it is to work; else only its rules are asked for, which need no device.

    Raises:
        UnavailableError: None can be used; names what is wrong with each and what to do.
    """
    ranked = [part for part in context.registry.parts(kind).values() if hasattr(part, "rank")]
    near = _device_of(runtime, context) if kind == "processors" else ""
    refused = []
    for part in sorted(ranked, key=lambda part: (part.device != near, -part.rank)):
        usable, reason = _verdict(part, context, needed=needed)
        if usable:
            return part.name, f"{kind[:-1]}: {part.name} ({reason})"
        refused.append(f"{part.name}: {reason}")
    raise UnavailableError(
        f"no {KINDS[kind][1]} can be used with device={context.device}",
        " | ".join(refused) or "no loaded plugin has any",
    )


def _verdict(part: Any, context: RunContext, *, needed: bool) -> tuple[bool, str]:
    """Whether a part can be used on the device that was asked for, and why, or why not and what to do."""
    if contradicts(part, context.device):
        return False, f"it works on {place_of(part)}, set device=auto"
    state = part.available()
    if not state.usable:
        return False, f"{state.reason}, {state.hint}" if state.hint else state.reason
    problem = next(iter(part.check_device(context.device)), None) if needed else None
    if problem is not None:
        return False, f"{problem.message}, {problem.hint}" if problem.hint else problem.message
    return True, state.reason


def _device_of(runtime: str, context: RunContext) -> str:
    """The device of a runtime's sessions, for ``auto`` that of the best one; empty where there is none."""
    if runtime == HOST:
        return "cpu"
    try:
        name = best_part("runtimes", context)[0] if runtime == AUTO else runtime
        device: str = context.registry.part("runtimes", name).device
    except HooklineError:
        return ""
    return device


def _check_route(config: Any, kind: str, name: str, context: RunContext) -> None:
    """A runtime that has no way to the precision that was asked for is refused, never replaced."""
    part, precision = context.registry.part(kind, name), getattr(config, "precision", None)
    if kind == "runtimes" and precision is not None and precision not in part.precisions:
        possible = ", ".join(sorted(item.value for item in part.precisions))
        raise HooklineError(f"{name} has no route for precision={precision.value}", f"possible: {possible}")
