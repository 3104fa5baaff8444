"""Checks the parts that a config names, and replaces ``auto`` by the best one that can be used here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any

from core.config import needs_usable, part_names, parts_of
from core.errors import HooklineError, UnavailableError
from core.registry import KINDS

if TYPE_CHECKING:
    from core.context import RunContext

AUTO = "auto"
DOCTOR = "doctor"
"""The stage that looks closer at what cannot be used."""


def resolve_parts(
    config: Any, context: RunContext, problems: list[HooklineError], choices: list[str], *, runtime: str = AUTO
) -> Any:
    """The options of a stage with every ``auto`` replaced.

    Args:
        config: Dataclass of options.
        context: For the registered parts and the device.
        runtime: Name of the runtime of this run, for processors that work on its device.
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
                    changes[name], choice = best_part(kind, context, runtime)
                    choices.append(choice)
                elif needs_usable(config, name):
                    _check_usable(kind, part, context)
                _check_route(config, kind, changes.get(name, part), context)
            except HooklineError as problem:
                problems.append(problem)
    return replace(config, **changes)


def _check_usable(kind: str, name: str, context: RunContext) -> None:
    part = context.registry.part(kind, name)
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


def named_runtime(configs: Iterable[Any]) -> str:
    """The runtime that the options of the stages name, ``auto`` where none does."""
    named = (
        value
        for config in configs
        if is_dataclass(config)
        for kind, value in parts_of(config).values()
        if kind == "runtimes"
    )
    return next(named, AUTO)


def best_part(kind: str, context: RunContext, runtime: str = AUTO) -> tuple[str, str]:
    """Name of the usable part with the highest rank on the device that was asked for, and why it was picked.

    Where any device will do, a processor on that of ``runtime`` comes before the others.
    """
    ranked = [part for part in context.registry.parts(kind).values() if hasattr(part, "rank")]
    device = context.device.split(":")[0]
    fitting = [part for part in ranked if device in {AUTO, part.device}]
    near = _device_of(runtime, context) if kind == "processors" else AUTO
    for part in sorted(fitting, key=lambda part: (part.device != near, -part.rank)):
        state = part.available()
        if state.usable:
            return part.name, f"{kind[:-1]}: {part.name} ({state.reason})"
    names = ", ".join(f"{part.name} (on {part.device})" for part in ranked)
    raise UnavailableError(f"no {kind[:-1]} can be used with device={context.device}", f"registered: {names or 'none'}")


def _device_of(runtime: str, context: RunContext) -> str:
    """The device of a runtime, of the best one for ``auto``; ``auto`` where there is none."""
    try:
        name = best_part("runtimes", context)[0] if runtime == AUTO else runtime
        device: str = context.registry.part("runtimes", name).device
    except HooklineError:
        return AUTO
    return device


def _check_route(config: Any, kind: str, name: str, context: RunContext) -> None:
    """A runtime that has no way to the precision that was asked for is refused, never replaced."""
    part, precision = context.registry.part(kind, name), getattr(config, "precision", None)
    if kind == "runtimes" and precision is not None and precision not in part.precisions:
        possible = ", ".join(sorted(item.value for item in part.precisions))
        raise HooklineError(f"{name} has no route for precision={precision.value}", f"possible: {possible}")
