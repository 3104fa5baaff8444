"""The findings as a table: a mark, what was looked at, what was found, and below it what to do."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.checks import Finding, State
from core.errors import counted
from stages.doctor.running import Examined
from stages.doctor.weighing import counts

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
