"""Weigh the findings for the target, and write them as a table and as JSON."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import counted
from core.kinds.check import Finding, State, Target
from core.process.resources import machine
from core.process.versions import versions
from core.storage.serial import json_text

JSON, TEXT = "report.json", "report.txt"
_MARKS = {
    State.ok: ("✓", "green"),
    State.warning: ("!", "yellow"),
    State.error: ("✗", "red"),
    State.absent: ("–", "dim"),
}


@dataclass(frozen=True)
class Examined:
    """Findings of one check, and the parts that need what it examined."""

    check: str
    needed_by: frozenset[str]
    findings: tuple[Finding, ...]


def weigh(examined: Examined, asked: Target) -> Examined:
    """Return the findings in the states that they have for the target."""
    if not examined.needed_by:
        return examined
    device, _, _ = asked.device.partition(":")  # "cuda" for cuda:1
    needed = bool(examined.needed_by & {asked.backend, asked.processor, device})
    change = {State.absent: State.error} if needed else {State.error: State.warning}
    findings = (replace(item, state=change.get(item.state, item.state)) for item in examined.findings)
    return replace(examined, findings=tuple(findings))


def counts(examined: Iterable[Examined]) -> dict[str, int]:
    """Return the number of findings per state."""
    counter = Counter(finding.state for item in examined for finding in item.findings)
    return {state.name: counter[state] for state in State}


def errors(examined: Iterable[Examined]) -> list[Finding]:
    """Return the findings that keep the target from working."""
    return [finding for item in examined for finding in item.findings if finding.state is State.error]


def rendered(examined: Sequence[Examined], width: int, *, coloured: bool) -> str:
    """Return the table and a line of counts, at most ``width`` columns wide."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=coloured, no_color=not coloured, highlight=False, legacy_windows=False
    )
    console.print(_table(examined))
    console.print(_counted(counts(examined)))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").splitlines())


def _table(examined: Sequence[Examined]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=False, max_width=24)
    table.add_column(overflow="fold")
    for finding in (finding for item in examined for finding in item.findings):
        mark, style = _MARKS[finding.state]
        row_style = style if finding.state is State.absent else ""
        table.add_row(f"[{style}]{mark}[/]", escape(finding.subject), escape(finding.found), style=row_style)
        if finding.state is not State.ok:
            remedy = Table.grid(padding=(0, 1))
            remedy.add_column(width=1)
            remedy.add_column(overflow="fold")
            remedy.add_row("→", f"[{row_style or 'bold'}]{escape(finding.remedy)}[/]")
            table.add_row("", "", remedy, style=row_style)
    return table


def _counted(numbers: dict[str, int]) -> str:
    texts = {
        State.ok: f"{numbers['ok']} ok",
        State.warning: counted(numbers["warning"], "warning"),
        State.error: counted(numbers["error"], "error"),
        State.absent: f"{numbers['absent']} not applicable",
    }
    return " · ".join(f"[{_MARKS[state][1]}]{text}[/]" for state, text in texts.items())


def write_report(examined: Sequence[Examined], asked: Target, folder: Path, table: str) -> Path:
    """Write both forms into ``folder`` and return the path of the JSON one."""
    findings = [
        {"check": item.check, **vars(finding), "state": finding.state.value, "facts": dict(finding.facts)}
        for item in examined
        for finding in item.findings
    ]
    content = {
        "asked": {name: str(value) for name, value in vars(asked).items()},
        "counts": counts(examined),
        "findings": findings,
        "machine": machine(),
        "versions": versions(),
    }
    (folder / TEXT).write_text(f"hookline {versions()['hookline']}\n\n{table}\n", encoding="utf-8")
    (folder / JSON).write_text(json_text(content, 1) + "\n", encoding="utf-8")
    return folder / JSON
