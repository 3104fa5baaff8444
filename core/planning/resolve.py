"""Check the parts that the options of a stage name, and replace ``auto`` with the best usable part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from core.errors import HooklineError
from core.kinds.lookup import AUTO
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.kinds.table import PART_KINDS
from core.options.fields import needed_ability, needs_usable, part_names, parts_of
from core.selection.choosing import ABILITIES, best_part, check_usable, runtime_with
from core.selection.devices import device_problems
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.context import RunContext

ConfigT = TypeVar("ConfigT", bound=DataclassInstance)


def resolve_parts(
    config: ConfigT,
    context: RunContext,
    problems: list[HooklineError],
    choices: list[str],
    *,
    runtime: str = AUTO,
) -> ConfigT:
    """Return the options of a stage with every ``auto`` replaced.

    Args:
        config: Dataclass of options.
        context: For the registered parts and the device.
        runtime: Name of the runtime that opens the session of the stage, for processors that work on its device.
        problems: Gets an error for each part that does not exist, is not usable, or cannot build the precision.
        choices: Gets a line for each ``auto``: the chosen part and the reason.
    """
    if not is_dataclass(config) or isinstance(config, type):
        return config
    changes: dict[str, str] = {}
    for name, (kind, value) in parts_of(config).items():
        for part in part_names(value):
            ability = needed_ability(config, name)
            try:
                if part == AUTO and kind == "grafts":
                    continue  # depends on the model: Stage.settle
                if part == AUTO and ability:
                    changes[name], choice = runtime_with(ability, context)
                    choices.append(choice)
                elif part == AUTO:
                    changes[name], choice = best_part(kind, context, runtime, needed=needs_usable(config, name))
                    choices.append(choice)
                elif needs_usable(config, name):
                    check_usable(kind, part, context)
                    problems.extend(_lacking(ability, part, context))
                    problems.extend(_misplaced(kind, part, context))
                _check_route(config, kind, changes.get(name, part), context)
            except HooklineError as problem:
                problems.append(problem)
    return replace(config, **changes)


def _misplaced(kind: str, name: str, context: RunContext) -> Iterator[HooklineError]:
    """Yield why a processor cannot work on the device of the run. The plan checks runtimes where they build or open."""
    if kind == "processors":
        yield from device_problems(kind, context.registry.get(Processor, name), context)


def _lacking(ability: str, name: str, context: RunContext) -> Iterator[HooklineError]:
    """Yield an error for a runtime without the required ability."""
    if ability and not getattr(context.registry.get(Runtime, name), ability):
        able = [other.name for other in context.registry.all(Runtime).values() if getattr(other, ability)]
        yield HooklineError(
            f"the backend '{name}' cannot be used: a stage needs one that {ABILITIES[ability]}",
            f"possible: {', '.join([AUTO, *able])}",
        )


def _check_route(config: object, kind: str, name: str, context: RunContext) -> None:
    """Refuse a runtime that cannot build the requested precision; it is never replaced silently."""
    part, precision = context.registry.get(PART_KINDS[kind], name), getattr(config, "precision", None)
    if isinstance(part, Runtime) and precision is not None and precision not in part.precisions:
        possible = ", ".join(sorted(item.value for item in part.precisions))
        raise HooklineError(f"{name} cannot build precision={precision.value}", f"possible: {possible}")
