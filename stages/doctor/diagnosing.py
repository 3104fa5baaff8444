"""From the checks to the report and the verdict."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.checks import Asked, Finding
from core.resolve import AUTO
from stages.doctor.asking import examine_device, examine_parts, what_is_asked
from stages.doctor.report import write_report
from stages.doctor.running import run_checks
from stages.doctor.table import rendered
from stages.doctor.weighing import counts, errors, weigh

if TYPE_CHECKING:
    from core.context import RunContext
    from stages.doctor import DoctorConfig

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


def _verdict(asked: Asked, found: Sequence[Finding]) -> tuple[str, str]:
    """Why what was asked for cannot work, and what to do first."""
    if not found:
        return "", ""
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in found))
    processor = f" with processor={asked.processor}" if asked.processor else ""
    what = f"backend={asked.backend}{processor} cannot work here" if asked.backend else "no backend can be used here"
    # that nothing could be picked follows from what is found of the parts
    causes = [finding for finding in found if not finding.subject.endswith(f"={AUTO}")] or found
    return f"{what}: {subjects}", f"first: {causes[0].remedy}"
