"""Runs the checks side by side. One that raises or hangs becomes a finding; it never ends the run."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.checks import Asked, Finding, broken, doubtful
from core.parts import Check

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass(frozen=True)
class Examined:
    """What one check found, and which parts need what it looked at."""

    check: str
    needed_by: frozenset[str]
    findings: tuple[Finding, ...]


@dataclass
class _Running:
    check: Check
    thread: threading.Thread
    findings: list[Finding] = field(default_factory=list)


def run_checks(asked: Asked, context: RunContext) -> list[Examined]:
    """The findings of all registered checks, in the order of registration."""
    start = time.monotonic()
    running = [_start(check, asked, context) for check in context.registry.all(Check).values()]
    return [_finish(item, start) for item in running]


def _start(check: Check, asked: Asked, context: RunContext) -> _Running:
    def work() -> None:
        item.findings.extend(_findings(check, asked, context))

    # a daemon: a check that hangs in a driver must not keep the program from ending
    item = _Running(check, threading.Thread(target=work, name=f"check {check.name}", daemon=True))
    item.thread.start()
    return item


def _finish(item: _Running, start: float) -> Examined:
    check = item.check
    item.thread.join(max(0.0, start + check.limit - time.monotonic()))
    findings: Iterable[Finding] = item.findings
    if item.thread.is_alive():
        findings = [_hanging(check)]
    return Examined(check.name, check.needed_by, tuple(findings))


def _findings(check: Check, asked: Asked, context: RunContext) -> list[Finding]:
    try:
        return list(context.check(check.name)(asked))
    except Exception as error:
        return [_failed(check, error, context)]


def _failed(check: Check, error: Exception, context: RunContext) -> Finding:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    origin = context.registry.origin("checks", check.name)
    return doubtful(
        check.name,
        f"the check itself failed: {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})",
        f"report it to the makers of {origin.distribution} {origin.version};"
        f" plugins.disable=[{origin.plugin}] leaves it out",
    )


def _hanging(check: Check) -> Finding:
    return broken(
        check.name,
        f"the check did not end within {check.limit:g} s: {check.summary}",
        "run it again; if it hangs again, look for NVRM or Xid lines in dmesg, and restart the machine",
    )
