"""Run the checks in parallel; one that raises or hangs becomes a finding."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.kinds.check import Check, Finding, Target, broken, doubtful
from core.planning.resolve import AUTO
from stages.doctor.report import counts, errors, rendered, weigh, write_report
from stages.doctor.target import Examined, examine_device, examine_parts, what_is_asked

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.doctor.config import DoctorConfig


@dataclass
class _Running:
    check: Check
    thread: threading.Thread
    findings: list[Finding] = field(default_factory=list)


def run_checks(asked: Target, context: RunContext) -> list[Examined]:
    """The findings of all registered checks, in the order of registration."""
    start = time.monotonic()
    running = [_start(check, asked, context) for check in context.registry.all(Check).values()]
    return [_finish(item, start) for item in running]


def _start(check: Check, asked: Target, context: RunContext) -> _Running:
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


def _findings(check: Check, asked: Target, context: RunContext) -> list[Finding]:
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


WIDTH = 100
"""Columns of report.txt, and of the table where it is not shown on a terminal."""


def diagnose(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Look at the machine, show what was found, and write report.json and report.txt."""
    asked, choices = what_is_asked(config, context)
    looked_at = (*choices, *examine_device(asked, context), *examine_parts(context), *run_checks(asked, context))
    examined = [weigh(item, asked) for item in looked_at]
    columns = min(shutil.get_terminal_size((WIDTH, 24)).columns, 140)
    shown = rendered(examined, columns, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    path = write_report(examined, asked, context.workdir, rendered(examined, WIDTH, coloured=False))
    problem, remedy = _verdict(asked, errors(examined))
    values = {name: float(count) for name, count in counts(examined).items()}
    return Diagnosis(path=path, values=values, problem=problem, remedy=remedy, report=(shown,))


def _verdict(asked: Target, found: Sequence[Finding]) -> tuple[str, str]:
    """Why what was asked for cannot work, and what to do first."""
    if not found:
        return "", ""
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in found))
    processor = f" with processor={asked.processor}" if asked.processor else ""
    what = f"backend={asked.backend}{processor} cannot work here" if asked.backend else "no backend can be used here"
    # that nothing could be picked follows from what is found of the parts
    causes = [finding for finding in found if not finding.subject.endswith(f"={AUTO}")] or found
    return f"{what}: {subjects}", f"first: {causes[0].remedy}"
