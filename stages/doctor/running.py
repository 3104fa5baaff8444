"""Run the checks in threads, and write the report. A check that raises or hangs becomes a finding."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.kinds.check import Check, Finding, Target, broken, doubtful
from core.planning.resolve import AUTO
from stages.doctor.report import counts, errors, rendered, weigh, write_report
from stages.doctor.target import Examined, examine_parts, resolve_target

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.doctor.config import DoctorConfig

WIDTH, MAX_WIDTH = 100, 140
"""Columns of report.txt and of a table that is not printed on a terminal, and the maximum on a terminal."""


def diagnose(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Examine the machine, print the findings, and write report.json and report.txt."""
    asked, choices = resolve_target(config, context)
    examined = [weigh(item, asked) for item in (*choices, *examine_parts(asked, context), *run_checks(asked, context))]
    columns = min(shutil.get_terminal_size((WIDTH, 24)).columns, MAX_WIDTH)
    table = rendered(examined, columns, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    path = write_report(examined, asked, context.workdir, rendered(examined, WIDTH, coloured=False))
    problem, remedy = _verdict(asked, errors(examined))
    values = {name: float(count) for name, count in counts(examined).items()}
    return Diagnosis(path=path, values=values, problem=problem, remedy=remedy, report=(table,))


def run_checks(asked: Target, context: RunContext) -> list[Examined]:
    """Return the findings of all registered checks, in the order of registration."""
    start = time.monotonic()
    results: dict[str, tuple[Finding, ...]] = {}

    def work(check: Check) -> None:
        results[check.name] = _run(check, asked, context)

    running = []
    for check in context.registry.all(Check).values():
        # a daemon thread: a check that hangs in a driver must not keep the program from ending
        thread = threading.Thread(target=work, args=(check,), name=f"check {check.name}", daemon=True)
        thread.start()
        running.append((check, thread))
    examined = []
    for check, thread in running:
        thread.join(max(0.0, start + check.limit - time.monotonic()))
        examined.append(Examined(check.name, check.needed_by, results.get(check.name, (_hanging(check),))))
    return examined


def _run(check: Check, asked: Target, context: RunContext) -> tuple[Finding, ...]:
    try:
        return tuple(context.check(check.name)(asked))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        origin = context.registry.origin("checks", check.name)
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        found = f"the check itself failed: {type(error).__name__}: {error} ({place})"
        remedy = f"report it to {origin.distribution} {origin.version}; plugins.disable=[{origin.plugin}] leaves it out"
        return (doubtful(check.name, found, remedy),)


def _hanging(check: Check) -> Finding:
    remedy = "run it again; if it hangs again, look for NVRM or Xid lines in dmesg, and restart the machine"
    return broken(check.name, f"the check did not end within {check.limit:g} s: {check.summary}", remedy)


def _verdict(asked: Target, found: Sequence[Finding]) -> tuple[str, str]:
    """Return why the target cannot work, and the first thing to do."""
    if not found:
        return "", ""
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in found))
    processor = f" with processor={asked.processor}" if asked.processor else ""
    what = f"backend={asked.backend}{processor} cannot work here" if asked.backend else "no backend can be used here"
    # that ``auto`` found nothing follows from the findings about the parts
    causes = [finding for finding in found if not finding.subject.endswith(f"={AUTO}")] or found
    return f"{what}: {subjects}", f"first: {causes[0].remedy}"
