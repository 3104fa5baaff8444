"""What an audit leaves behind: report.json, and with ``dataset.report`` charts, sample pictures and a page.

The keys of report.json are told in docs/dataset.md.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from core.dataset_files import CHARTS
from core.serial import json_text
from stages.dataset.auditing import Audit
from stages.dataset.findings import Finding, Severity, counts
from stages.dataset.numbers import ClassNumbers, Numbers
from stages.dataset.page import write_page

JSON, PAGE = "report.json", "report.html"


def write_report(audit: Audit, numbers: Numbers, folder: Path, *, seed: int, drawn: bool) -> Path:
    """Write the report into ``folder``.

    Args:
        audit: What was found.
        numbers: The figures.
        folder: Is there.
        seed: Of the choice of sample pictures.
        drawn: Also the charts, the sample pictures and the page.

    Returns:
        The file to look at first.
    """
    target = folder / JSON
    target.write_text(json_text(_content(audit, numbers), 1) + "\n", encoding="utf-8")
    if not drawn:
        return target
    charts = _charts(audit, numbers.classes, folder) if any(tally.objects for tally in audit.tallies.values()) else []
    write_page(audit, numbers, charts, _sheets(audit, folder, seed), folder / PAGE)
    return folder / PAGE


def _charts(audit: Audit, classes: list[ClassNumbers], folder: Path) -> list[str]:
    from stages.dataset.charts import box_centres, box_shapes, class_balance

    balance, shapes, centres = CHARTS
    class_balance(classes, folder / balance)
    box_shapes(audit.tallies, folder / shapes)
    box_centres(audit.tallies, folder / centres)
    return list(CHARTS)


def _sheets(audit: Audit, folder: Path, seed: int) -> dict[str, str]:
    from stages.dataset.sheet import sample_sheet

    sheets = {split: f"samples_{split}.jpg" for split, samples in audit.kept.items() if samples}
    for split, name in sheets.items():
        sample_sheet(audit.kept[split], audit.spec.names, seed, folder / name, audit.max_pixels)
    return sheets


def _content(audit: Audit, numbers: Numbers) -> dict[str, object]:
    return {
        "data": str(audit.spec.path),
        "names": audit.spec.names,
        "splits": {split: asdict(item) for split, item in numbers.splits.items()},
        "classes": [asdict(item) for item in numbers.classes],
        "counts": {severity.value: len(audit.of(severity)) for severity in Severity} | counts(audit.findings),
        "left_out": {
            split: [str(item.sample.picture) for item in pictures] for split, pictures in audit.left_out.items()
        },
        "findings": [_row(finding) for finding in audit.findings],
    }


def _row(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "severity": finding.severity.value,
        "split": finding.split,
        "file": str(finding.file) if finding.file else None,
        "line": finding.line,
        "message": finding.message,
    }
