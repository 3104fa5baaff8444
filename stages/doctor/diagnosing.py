"""Examine the machine for the target of a diagnosis. A check that raises or hangs becomes a finding."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.errors import HooklineError
from core.kinds.check import Check, Finding, State, Target, absent, broken, doubtful, fine
from core.kinds.lookup import AUTO
from core.kinds.part import DevicePart
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.process.environment import store_root
from core.selection.choosing import best_part
from core.selection.devices import device_problems
from stages.doctor.report import Examined, counts, rendered, weigh, write_report

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.doctor.config import DoctorConfig

_KINDS: Mapping[str, tuple[type[DevicePart[object]], str]] = {
    "runtimes": (Runtime, "backend"),
    "processors": (Processor, "processor"),
}
_HANGS = "run it again; if it hangs again, look for NVRM or Xid lines in dmesg, and restart the machine"
WIDTH, MAX_WIDTH = 100, 140
"""Columns of report.txt and of a table that is not printed on a terminal, and the maximum on a terminal."""


def diagnose(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Examine the machine, print the findings, and write report.json and report.txt."""
    asked, choices = resolve_target(config, context)
    examined = [weigh(item, asked) for item in (*choices, *examine_parts(asked, context), *run_checks(asked, context))]
    columns = min(shutil.get_terminal_size((WIDTH, 24)).columns, MAX_WIDTH)
    table = rendered(examined, columns, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    path = write_report(examined, asked, context.workdir, rendered(examined, WIDTH, coloured=False))
    errors = [finding for item in examined for finding in item.findings if finding.state is State.error]
    problem, remedy = _verdict(asked, errors)
    values = {name: float(count) for name, count in counts(examined).items()}
    return Diagnosis(path=path, values=values, problem=problem, remedy=remedy, report=(table,))


def resolve_target(config: DoctorConfig, context: RunContext) -> tuple[Target, list[Examined]]:
    """Return the target, and the choice for each ``auto``."""
    names, examined = {"runtimes": config.backend, "processors": config.processor}, []
    for kind, (_, option) in _KINDS.items():
        if names[kind] == AUTO:
            names[kind], finding = _best(kind, f"{option}={AUTO}", context, names["runtimes"])
            examined.append(Examined(option, frozenset(), (finding,)))
    return Target(names["runtimes"], names["processors"], context.device, store_root(config.store)), examined


def examine_parts(asked: Target, context: RunContext) -> Iterator[Examined]:
    """Yield whether the parts of the target work on the device, and whether each part can be used here."""
    for kind, name in (("runtimes", asked.backend), ("processors", asked.processor)):
        if name:
            findings = _on_device(kind, context.registry.get(_KINDS[kind][0], name), context)
            yield Examined("device", frozenset(), tuple(findings))
    for descriptor, option in _KINDS.values():
        for part in context.registry.all(descriptor).values():
            yield Examined(option, frozenset({part.name}), (_availability(option, part),))


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


def _availability(option: str, part: DevicePart[object]) -> Finding:
    subject = f"{option} {part.name}"
    try:
        state = part.available()
    except Exception as error:
        return broken(subject, f"its check failed: {type(error).__name__}: {error}", f"reinstall {part.name}")
    if state.usable:
        return fine(subject, state.reason)
    return absent(subject, state.reason, state.hint or f"{option}={AUTO} takes one that can be used here")


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
        late = broken(check.name, f"the check did not end within {check.limit:g} s: {check.summary}", _HANGS)
        examined.append(Examined(check.name, check.needed_by, results.get(check.name, (late,))))
    return examined


def _run(check: Check, asked: Target, context: RunContext) -> tuple[Finding, ...]:
    try:
        return tuple(context.check(check.name)(asked))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        origin = context.registry.origin("checks", check.name)
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        found = f"the check itself failed: {type(error).__name__}: {error} ({place})"
        remedy = f"report it to {origin.distribution} {origin.version}, or set plugins.disable=[{origin.plugin}]"
        return (doubtful(check.name, found, remedy),)


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
