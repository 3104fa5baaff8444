"""What was asked for, with ``auto`` resolved, and whether the registered parts can be used here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.files.paths import user_path
from core.kinds.check import Finding, Target, absent, broken, doubtful, fine
from core.kinds.part import DevicePart
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.planning.choosing import best_part
from core.planning.devices import contradicts
from core.planning.resolve import AUTO
from core.process.environment import cache_home

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.doctor.config import DoctorConfig

_WORDS = {"runtimes": "backend", "processors": "processor"}
_KINDS: Mapping[str, type[DevicePart[object]]] = {"runtimes": Runtime, "processors": Processor}


def what_is_asked(config: DoctorConfig, context: RunContext) -> tuple[Target, list[Examined]]:
    """What the machine is looked at for, and what came of each ``auto``."""
    names: dict[str, str] = {}
    examined = []
    for kind, name in (("runtimes", config.backend), ("processors", config.processor)):
        names[kind] = name
        if name == AUTO:
            names[kind], finding = _resolved(kind, context, names["runtimes"])
            examined.append(Examined(_WORDS[kind], frozenset(), (finding,)))
    store = user_path(config.store).resolve() if config.store else cache_home() / "store"
    return Target(names["runtimes"], names["processors"], context.device, store), examined


def examine_parts(context: RunContext) -> list[Examined]:
    """Whether each registered runtime and processor can be used here."""
    return [
        Examined(_WORDS[kind], frozenset({part.name}), (_availability(_WORDS[kind], part),))
        for kind, descriptor in _KINDS.items()
        for part in context.registry.all(descriptor).values()
    ]


def examine_device(asked: Target, context: RunContext) -> list[Examined]:
    """Where the runtime or the processor do not work on the device that was asked for; on ``auto`` all do."""
    named = (("runtimes", asked.backend), ("processors", asked.processor))
    parts = {kind: context.registry.get(_KINDS[kind], name) for kind, name in named if name}
    findings = [
        _contradiction(kind, part, asked.device) for kind, part in parts.items() if contradicts(part, asked.device)
    ]
    return [Examined("device", frozenset(), tuple(findings))] if findings else []


def _contradiction(kind: str, part: DevicePart[object], device: str) -> Finding:
    """What works on another kind of device is refused; some runtimes build all the same."""
    word = _WORDS[kind]
    found = f"device={device}, and {word}={part.name} works with device={part.device} only"
    remedy = f"device=auto, or another {word}"
    if isinstance(part, Runtime) and part.builds_anywhere:
        return doubtful("device", f"{found}: engines are built here and cannot be run", remedy)
    return broken("device", found, remedy)


def _resolved(kind: str, context: RunContext, runtime: str) -> tuple[str, Finding]:
    subject = f"{_WORDS[kind]}={AUTO}"
    try:
        name, _ = best_part(kind, context, runtime)
    except HooklineError as error:
        return "", broken(subject, error.message, error.hint or "name one that can be used here")
    return name, fine(subject, f"takes {name}", name=name)


def _availability(word: str, part: DevicePart[object]) -> Finding:
    subject = f"{word} {part.name}"
    try:
        state = part.available()
    except Exception as error:
        return broken(subject, f"asking it failed: {type(error).__name__}: {error}", "reinstall what it is made for")
    if state.usable:
        return fine(subject, state.reason)
    return absent(subject, state.reason, state.hint or f"{word}={AUTO} takes one that can be used here")


@dataclass(frozen=True)
class Examined:
    """What one check found, and which parts need what it looked at."""

    check: str
    needed_by: frozenset[str]
    findings: tuple[Finding, ...]
