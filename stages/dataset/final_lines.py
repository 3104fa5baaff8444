"""Lines about what a data set leaves out or changes; every run that uses it prints them. Heavy: imports NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from core.data.label_rows import RowProblem
from core.errors import counted, listed
from core.labels import MAX_BAD
from stages.dataset.auditing import Audit
from stages.dataset.findings import AuditFinding, Severity, counts, of_severity
from stages.dataset.sample_checks import CheckedSample

REPAIRS = {problem.value for problem in RowProblem if problem.is_repair}
"""Kinds of findings with which a row is not used as written."""
MAX_NAMED = 5
"""Maximum number of skipped images named in a line; the report lists all."""


def final_lines(audit: Audit) -> tuple[str, ...]:
    """Return one line per split and reason for images, labels and label rows that are not used as they are.

    ``audit`` has all its findings, also those that are not reported.
    """
    return (*_skipped(audit), *_repaired(audit), *_strays(audit))


def _skipped(audit: Audit) -> Iterator[str]:
    for split, items in audit.left_out.items():
        if items:
            named = listed([f"{item.sample.image.name} ({_reason(item)})" for item in items], MAX_NAMED)
            more = ", all in report.json" if len(items) > MAX_NAMED else ""
            total = len(items) + len(audit.kept[split])
            yield f"skipped {len(items)} of {counted(total, 'image')} of '{split}': {named}{more}"


def _repaired(audit: Audit) -> Iterator[str]:
    """Yield one line per split with changed or dropped label rows."""
    for split in audit.statistics:
        found = [item for item in audit.findings if item.split == split and item.kind in REPAIRS]
        if found:
            kinds = ", ".join(f"{count} {kind}" for kind, count in counts(found).items())
            rows = counted(len(found), "label row")
            least = "at least " if _are_cut(found) else ""
            yield f"repaired {least}{rows} of '{split}' while reading: {kinds}; +stage=convert writes repaired labels"


def _are_cut(found: list[AuditFinding]) -> bool:
    """Return whether a label file has more repairs than are reported."""
    return max(Counter(item.file for item in found).values()) >= MAX_BAD


def _strays(audit: Audit) -> Iterator[str]:
    for split in audit.statistics:
        files = [item.file.name for item in audit.findings if _is_stray(item, split) and item.file]
        if files:
            named = listed(files, MAX_NAMED)
            yield f"left out {counted(len(files), 'label file')} of '{split}' without an image: {named}"


def _is_stray(item: AuditFinding, split: str) -> bool:
    return item.split == split and item.kind == "stray-label"


def _reason(checked: CheckedSample) -> str:
    return of_severity(checked.findings, Severity.error)[0].kind
