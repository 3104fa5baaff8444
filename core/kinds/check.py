"""Checks of ``+stage=doctor``: the descriptor, its target and its findings."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

from core.kinds.part import Part


class State(str, Enum):
    """State of a finding.

    Depending on the target, the stage changes two states: ``absent`` counts as an error if the selected backend,
    processor or device needs the checked subject (``Check.needed_by``), and an ``error`` counts as a warning if none of
    them needs it. With an empty ``needed_by`` no state changes.
    """

    ok = "ok"
    warning = "warning"
    error = "error"
    absent = "not applicable"


@dataclass(frozen=True)
class Finding:
    """One result of a check: a line of the report.

    Create it with :func:`fine`, :func:`doubtful`, :func:`broken` or :func:`absent`.

    Attributes:
        subject: What was checked, in two or three words, e.g. ``shared memory``.
        state: State of the subject.
        found: What was found, with versions and paths; for ``absent``, what is missing.
        remedy: What to do, in one line, preferably a command. Empty only for ``State.ok``.
        facts: Machine-readable facts, e.g. ``{"version": "580.95.05"}``; written into report.json.

    Raises:
        ValueError: The state is not ``ok`` and the remedy is empty.
    """

    subject: str
    state: State
    found: str
    remedy: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state is not State.ok and not self.remedy:
            raise ValueError(f"the finding '{self.subject}: {self.found}' has no remedy")


def fine(subject: str, found: str, **facts: str) -> Finding:
    """Return a finding with the state ``ok``.

    Args:
        subject: As in :class:`Finding`.
        found: As in :class:`Finding`.
        facts: As in :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.ok, found, facts=facts)


def doubtful(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding with the state ``warning``: the subject works, but is slow or may fail later.

    Args:
        subject: As in :class:`Finding`.
        found: As in :class:`Finding`.
        remedy: As in :class:`Finding`.
        facts: As in :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.warning, found, remedy, facts)


def broken(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding with the state ``error``: the subject does not work.

    Args:
        subject: As in :class:`Finding`.
        found: As in :class:`Finding`.
        remedy: As in :class:`Finding`.
        facts: As in :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.error, found, remedy, facts)


def absent(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding with the state ``absent``: the subject is not installed on this machine.

    Args:
        subject: As in :class:`Finding`.
        found: As in :class:`Finding`.
        remedy: As in :class:`Finding`.
        facts: As in :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.absent, found, remedy, facts)


@dataclass(frozen=True)
class Target:
    """The target of a diagnosis: what the user wants to run on this machine.

    Attributes:
        backend: Name of the runtime, with ``auto`` resolved; empty if none is available.
        processor: Name of the processor, with ``auto`` resolved; empty if none is available.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        store: Folder of the store; it may not exist yet.
    """

    backend: str
    processor: str
    device: str
    store: Path


CheckFunction = Callable[..., Iterable[Finding]]
"""``check(target)`` yields findings about one aspect of the machine. The argument, a :class:`Target`, is optional.

It must not create a CUDA context or load a foreign library in this process. It may be called in a thread.
"""


def found_at(place: str) -> Callable[[], CheckFunction]:
    """Return a function for ``Check.load`` that imports the check function on first use.

    Args:
        place: The check function, as ``package.module:function``.
    """

    def load() -> CheckFunction:
        module, _, name = place.partition(":")
        function: CheckFunction = getattr(importlib.import_module(module), name)
        return function

    return load


@dataclass(frozen=True, kw_only=True)
class Check(Part[CheckFunction]):
    """A check of this machine by ``+stage=doctor``; ``load`` returns a ``CheckFunction``.

    Attributes:
        needed_by: Names of the runtimes and processors that need the checked subject, or ``cuda`` for all runs with
            ``device=cuda`` or ``cuda:N``. For these targets ``absent`` counts as an error, for others an error counts
            as a warning. Empty: every run needs it, and the states of its findings are reported unchanged.
        limit: Timeout in seconds; a check that takes longer is reported as hanging.
    """

    kind: ClassVar[str] = "checks"
    needed_by: frozenset[str] = frozenset()
    limit: float = 20.0
