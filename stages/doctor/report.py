"""The findings by weight, as a table and as files."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import counted
from core.kinds.check import Finding, State, Target
from core.process.resources import machine
from core.process.versions import versions
from core.storage.serial import json_text
from stages.doctor.target import Examined


def weigh(examined: Examined, asked: Target) -> Examined:
    """The same findings in the states that they have for what was asked."""
    if not examined.needed_by:
        return examined
    needed = bool(examined.needed_by & {asked.backend, asked.processor, kind_of(asked.device)})
    change = {State.absent: State.error} if needed else {State.error: State.warning}
    findings = (replace(item, state=change.get(item.state, item.state)) for item in examined.findings)
    return replace(examined, findings=tuple(findings))


def kind_of(device: str) -> str:
    """``cuda`` for ``cuda:1``: checks of what any use of such a device needs name it beside runtimes and processors."""
    return device.partition(":")[0]


def counts(examined: Iterable[Examined]) -> dict[str, int]:
    """How many findings there are in each state."""
    counter = Counter(finding.state for item in examined for finding in item.findings)
    return {state.name: counter[state] for state in State}


def errors(examined: Iterable[Examined]) -> list[Finding]:
    """What must be put right before what was asked for can work."""
    return [finding for item in examined for finding in item.findings if finding.state is State.error]


MARKS = {
    State.ok: ("✓", "green"),
    State.warning: ("!", "yellow"),
    State.error: ("✗", "red"),
    State.absent: ("–", "dim"),
}
_WORDS = {State.ok: "ok", State.warning: "warning", State.error: "error", State.absent: "not applicable"}


def rendered(examined: Sequence[Examined], width: int, *, coloured: bool) -> str:
    """The table and a line of counts, ``width`` columns wide at most."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=coloured, no_color=not coloured, highlight=False, legacy_windows=False
    )
    console.print(_table(examined))
    console.print(_counted(examined))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").splitlines())


def _table(examined: Sequence[Examined]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=False, max_width=24)
    table.add_column(overflow="fold")
    for item in examined:
        for finding in item.findings:
            mark, style = MARKS[finding.state]
            quiet = style if finding.state is State.absent else ""
            table.add_row(f"[{style}]{mark}[/]", escape(finding.subject), escape(finding.found), style=quiet)
            for remedy in _remedy(finding):
                table.add_row("", "", remedy, style=quiet)
    return table


def _remedy(finding: Finding) -> Iterator[Table]:
    """What to do behind an arrow, its further lines under its first."""
    if finding.state is not State.ok:
        arrow = Table.grid(padding=(0, 1))
        arrow.add_column(width=1)
        arrow.add_column(overflow="fold")
        arrow.add_row("→", f"[{'dim' if finding.state is State.absent else 'bold'}]{escape(finding.remedy)}[/]")
        yield arrow


def _counted(examined: Sequence[Examined]) -> str:
    numbers = counts(examined)
    parts = []
    for state, word in _WORDS.items():
        number = numbers[state.name]
        text = counted(number, state.name) if state in {State.warning, State.error} else f"{number} {word}"
        parts.append(f"[{MARKS[state][1]}]{text}[/]")
    return " · ".join(parts)


JSON, TEXT = "report.json", "report.txt"


def write_report(examined: Sequence[Examined], asked: Target, folder: Path, table: str) -> Path:
    """Write both forms into ``folder``; gives the JSON one."""
    (folder / TEXT).write_text(f"hookline {versions()['hookline']}\n\n{table}\n", encoding="utf-8")
    (folder / JSON).write_text(json_text(_content(examined, asked), 1) + "\n", encoding="utf-8")
    return folder / JSON


def _content(examined: Sequence[Examined], asked: Target) -> dict[str, object]:
    return {
        "asked": {name: str(value) for name, value in vars(asked).items()},
        "counts": counts(examined),
        "findings": [
            {
                "check": item.check,
                "subject": finding.subject,
                "state": finding.state.value,
                "found": finding.found,
                "remedy": finding.remedy,
                "facts": dict(finding.facts),
            }
            for item in examined
            for finding in item.findings
        ],
        "machine": machine(),
        "versions": versions(),
    }
