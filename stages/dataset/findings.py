"""What an audit can find: the kinds, how bad each is, and how a finding is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from core.errors import counted


class Severity(str, Enum):
    """``error``: the picture cannot be used as it is labelled. ``warning``: it can, but somebody should look.

    ``note``: usual in good data sets too.
    """

    error = "error"
    warning = "warning"
    note = "note"


KINDS = {
    "unreadable-picture": (Severity.error, "not an image, empty, or too damaged to decode"),
    "truncated-picture": (Severity.error, "the end of the file is missing"),
    "unreadable-label": (Severity.error, "the label file is not text, or may not be read"),
    "malformed-row": (Severity.error, "not five numbers; polygons of segmentation have more"),
    "class-out-of-range": (Severity.error, "a class that the data.yaml does not name"),
    "box-outside": (Severity.error, "a coordinate outside 0..1; pixels instead of fractions have such"),
    "empty-box": (Severity.error, "a box without width or height"),
    "unlabelled": (Severity.error, "no image of any split has a label file"),
    "repeated-row": (Severity.warning, "a row that repeats another; it is dropped when labels are read"),
    "damaged-picture": (Severity.warning, "the image was decoded, but its library reports damaged data"),
    "turned-picture": (Severity.warning, "EXIF says that the image is turned; boxes are taken on the turned image"),
    "tiny-picture": (Severity.warning, "a side under 10 pixels"),
    "shared-label": (Severity.warning, "two images of one name share one label file"),
    "repeated-picture": (Severity.warning, "the same image twice in one split, by content"),
    "leaked-picture": (Severity.warning, "the same image in two splits, by content"),
    "stray-label": (Severity.warning, "a label file without an image"),
    "unlabelled-split": (Severity.warning, "a split without any object"),
    "unseen-class": (Severity.warning, "a class without an object to learn from"),
    "no-label": (Severity.note, "an image without a label file: background"),
}
"""Kind -> how bad it is, and what it means."""


@dataclass(frozen=True)
class AuditFinding:
    """One thing that an audit found.

    Attributes:
        kind: One of :data:`KINDS`.
        split: The split it belongs to; empty where it concerns the whole data set.
        file: The picture or the label file; None where it concerns no single file.
        line: Of the label file, from 1; None for other things.
        message: One sentence that names file and line.
    """

    kind: str
    split: str
    file: Path | None
    line: int | None
    message: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind][0]


def of_severity(findings: Iterable[AuditFinding], severity: Severity) -> list[AuditFinding]:
    """Those that are so bad, in order."""
    return [finding for finding in findings if finding.severity is severity]


def counts(findings: Iterable[AuditFinding]) -> dict[str, int]:
    """How many there are of each kind, in the order of :data:`KINDS`."""
    counter = Counter(finding.kind for finding in findings)
    return {kind: counter[kind] for kind in KINDS if counter[kind]}


def counted_kinds(findings: Sequence[AuditFinding]) -> str:
    """``3 errors: 2 empty-box, 1 truncated-picture``; the findings are of one severity."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts(findings).items())
    return f"{counted(len(findings), findings[0].severity.value)}: {kinds}"


def lines_of(findings: Sequence[AuditFinding]) -> list[str]:
    """One line a kind: the first such finding, and how many more there are."""
    lines = []
    for kind in counts(findings):
        first, *others = (finding for finding in findings if finding.kind == kind)
        lines.append(first.message + (f" (and {len(others)} more: {kind})" if others else ""))
    return lines
