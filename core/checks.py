"""What the checks of ``+stage=doctor`` are asked and what they find."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class State(str, Enum):
    """How something is: fine, doubtful, broken, or not on this machine.

    The stage counts what is ``absent`` as an error where the backend or processor that was asked for needs it, and as
    not applicable elsewhere; an ``error`` of what was not asked for counts as a warning.
    """

    ok = "ok"
    warning = "warning"
    error = "error"
    absent = "not applicable"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What it is, two or three words.
        state: How it is.
        found: What was seen, with versions and paths; where it is absent, what it would be there for.
        remedy: What to do, one line that can be followed as it stands. Empty only where all is fine.
        facts: The same for programs, e.g. ``{"version": "580.95.05"}``.

    Raises:
        ValueError: Something is not fine, and nothing says what to do.
    """

    subject: str
    state: State
    found: str
    remedy: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state is not State.ok and not self.remedy:
            raise ValueError(f"the finding '{self.subject}: {self.found}' does not say what to do")


def fine(subject: str, found: str, **facts: str) -> Finding:
    """A finding without anything to do."""
    return Finding(subject, State.ok, found, facts=facts)


def doubtful(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Work can go on, but slower, or may fail later."""
    return Finding(subject, State.warning, found, remedy, facts)


def broken(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """What needs this cannot work."""
    return Finding(subject, State.error, found, remedy, facts)


def absent(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """It is not on this machine, which matters only to what needs it."""
    return Finding(subject, State.absent, found, remedy, facts)


@dataclass(frozen=True)
class Asked:
    """What the machine is looked at for.

    Attributes:
        backend: Name of the runtime, with ``auto`` resolved; empty where none can be used.
        processor: Name of the processor, as ``backend``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        store: Folder in which results are kept; it may not be there yet.
    """

    backend: str
    processor: str
    device: str
    store: Path


CheckFunction = Callable[[Asked], Iterable[Finding]]
"""Looks at one side of the machine. It opens no CUDA context and loads no foreign library into this process."""


def found_at(place: str) -> Callable[[object], CheckFunction]:
    """The ``load`` of a check that is a function: ``package.module:function``, imported when it is needed."""

    def load(_options: object) -> CheckFunction:
        module, _, name = place.partition(":")
        function: CheckFunction = getattr(importlib.import_module(module), name)
        return function

    return load
