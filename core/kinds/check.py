"""Checks of ``+stage=doctor``: descriptor, target and finding."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar

from core.kinds.part import Part


class State(str, Enum):
    """State of a finding: fine, doubtful, broken, or not on this machine.

    The stage counts ``absent`` as an error where the backend or processor that was asked for needs the check
    (``Check.needed_by``), and as not applicable elsewhere. An ``error`` that matters to neither counts as a warning.
    """

    ok = "ok"
    warning = "warning"
    error = "error"
    absent = "not applicable"


@dataclass(frozen=True)
class Finding:
    """One result of a check, a line of the report.

    The functions :func:`fine`, :func:`doubtful`, :func:`broken` and :func:`absent` return one.

    Attributes:
        subject: What was checked, two or three words, e.g. ``shared memory``.
        state: Its state.
        found: What was found, with versions and paths; where it is absent, what it would be used for.
        remedy: What to do, one line that can be followed as it stands, best a command. Empty only for ``State.ok``.
        facts: The same for programs, e.g. ``{"version": "580.95.05"}``; written into report.json.

    Raises:
        ValueError: The state is not ``ok`` and there is no remedy.
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
    """Return a finding in the state ``ok``.

    Args:
        subject: As of :class:`Finding`.
        found: As of :class:`Finding`.
        facts: As of :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.ok, found, facts=facts)


def doubtful(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding in the state ``warning``: work is possible, but slower, or may fail later.

    Args:
        subject: As of :class:`Finding`.
        found: As of :class:`Finding`.
        remedy: As of :class:`Finding`.
        facts: As of :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.warning, found, remedy, facts)


def broken(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding in the state ``error``: what needs this cannot work.

    Args:
        subject: As of :class:`Finding`.
        found: As of :class:`Finding`.
        remedy: As of :class:`Finding`.
        facts: As of :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.error, found, remedy, facts)


def absent(subject: str, found: str, remedy: str, **facts: str) -> Finding:
    """Return a finding in the state ``absent``: not on this machine, which matters only to what needs it.

    Args:
        subject: As of :class:`Finding`.
        found: As of :class:`Finding`.
        remedy: As of :class:`Finding`.
        facts: As of :class:`Finding`, as keyword arguments.
    """
    return Finding(subject, State.absent, found, remedy, facts)


@dataclass(frozen=True)
class Target:
    """The target of a diagnosis: what the user wants to run here.

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


CheckFunction = Callable[..., Iterable[Finding]]
"""``check(asked)`` yields findings about one side of the machine; ``asked``, an :class:`Target`, can be left out.

It opens no CUDA context and loads no foreign library into this process. It may be called in a thread.
"""


def found_at(place: str) -> Callable[[], CheckFunction]:
    """Return the ``load`` of a check that is a function, which is imported when it is needed.

    Args:
        place: ``package.module:function``.
    """

    def load() -> CheckFunction:
        module, _, name = place.partition(":")
        function: CheckFunction = getattr(importlib.import_module(module), name)
        return function

    return load


# --- checks -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Check(Part[CheckFunction]):
    """A check of this machine by ``+stage=doctor``; ``load`` returns a function from ``Target`` to its findings.

    Attributes:
        needed_by: Names of the runtimes and processors that need what it checks, or ``cuda``: whoever asks for a GPU;
            empty: all of them. Where they are not asked for, an error counts as a warning.
        limit: Seconds after which it is reported as hanging and no longer waited for.
    """

    kind: ClassVar[str] = "checks"
    needed_by: frozenset[str] = frozenset()
    limit: float = 20.0
