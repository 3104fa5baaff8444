"""What doctor leaves behind: report.json for programs, report.txt to send to somebody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.checks import Asked
from core.serial import json_text
from core.summary import machine
from core.versions import versions
from stages.doctor.running import Examined
from stages.doctor.weighing import counts

JSON, TEXT = "report.json", "report.txt"


def write_report(examined: Sequence[Examined], asked: Asked, folder: Path, table: str) -> Path:
    """Write both forms into ``folder``; gives the JSON one."""
    (folder / TEXT).write_text(f"hookline {versions()['hookline']}\n\n{table}\n", encoding="utf-8")
    (folder / JSON).write_text(json_text(_content(examined, asked), 1) + "\n", encoding="utf-8")
    return folder / JSON


def _content(examined: Sequence[Examined], asked: Asked) -> dict[str, object]:
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
