"""Resolve what the user asked for, and examine the registered runtimes and processors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.files.paths import user_path
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine
from core.kinds.part import DevicePart
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.planning.devices import device_problems
from core.planning.resolve import AUTO, best_part
from core.process.environment import cache_home

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.doctor.config import DoctorConfig

_KINDS: Mapping[str, tuple[type[DevicePart[object]], str]] = {
    "runtimes": (Runtime, "backend"),
    "processors": (Processor, "processor"),
}


@dataclass(frozen=True)
class Examined:
    """Findings of one check, and the parts that need what it examined."""

    check: str
    needed_by: frozenset[str]
    findings: tuple[Finding, ...]


def resolve_target(config: DoctorConfig, context: RunContext) -> tuple[Target, list[Examined]]:
    """Return the target, and the choice for each ``auto``."""
    names, examined = {"runtimes": config.backend, "processors": config.processor}, []
    for kind, (_, word) in _KINDS.items():
        if names[kind] == AUTO:
            names[kind], finding = _best(kind, f"{word}={AUTO}", context, names["runtimes"])
            examined.append(Examined(word, frozenset(), (finding,)))
    store = user_path(config.store).resolve() if config.store else cache_home() / "store"
    return Target(names["runtimes"], names["processors"], context.device, store), examined


def examine_parts(asked: Target, context: RunContext) -> Iterator[Examined]:
    """Yield whether the parts that were asked for work on the device, and whether each part can be used here."""
    for kind, name in (("runtimes", asked.backend), ("processors", asked.processor)):
        if name:
            findings = _on_device(kind, context.registry.get(_KINDS[kind][0], name), context)
            yield Examined("device", frozenset(), tuple(findings))
    for descriptor, word in _KINDS.values():
        for part in context.registry.all(descriptor).values():
            yield Examined(word, frozenset({part.name}), (_availability(word, part),))


def _best(kind: str, subject: str, context: RunContext, runtime: str) -> tuple[str, Finding]:
    try:
        name, _ = best_part(kind, context, runtime)
    except HooklineError as error:
        return "", broken(subject, error.message, error.hint or "name one that can be used here")
    return name, fine(subject, f"takes {name}", name=name)


def _on_device(kind: str, part: DevicePart[object], context: RunContext) -> Iterator[Finding]:
    for problem in device_problems(kind, part, context):
        remedy = problem.hint or f"device=auto, or another {_KINDS[kind][1]}"
        if isinstance(part, Runtime) and part.builds_anywhere:
            yield doubtful("device", f"{problem.message}: engines can be built here, but not run", remedy)
        else:
            yield broken("device", problem.message, remedy)


def _availability(word: str, part: DevicePart[object]) -> Finding:
    subject = f"{word} {part.name}"
    try:
        state = part.available()
    except Exception as error:
        return broken(subject, f"its check failed: {type(error).__name__}: {error}", f"reinstall {part.name}")
    if state.usable:
        return fine(subject, state.reason)
    return absent(subject, state.reason, state.hint or f"{word}={AUTO} takes one that can be used here")
