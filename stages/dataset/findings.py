"""Findings of an audit: their kinds, severities and texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from core.errors import HooklineError, counted, shown, unknown


class Severity(str, Enum):
    """Severity of a finding.

    ``error``: the image cannot be used as labelled. ``warning``: it can be used, but should be reviewed. ``note``: it
    is common in good data sets.
    """

    error = "error"
    warning = "warning"
    note = "note"


KINDS = {
    "unreadable-picture": (Severity.error, "not an image, empty, or too damaged to decode"),
    "truncated-picture": (Severity.error, "the end of the file is missing"),
    "unreadable-label": (Severity.error, "the label file is not text, or is not readable"),
    "malformed-row": (Severity.error, "a row that is neither a box nor a polygon, e.g. with commas"),
    "class-out-of-range": (Severity.error, "a class id that is not in the data.yaml"),
    "box-outside": (
        Severity.error,
        "a coordinate outside 0 to 1 by more than one pixel, e.g. in pixels instead of fractions",
    ),
    "empty-box": (Severity.error, "a box without width or height"),
    "unlabelled": (Severity.error, "no image of any split has a label file"),
    "repeated-row": (Severity.warning, "a duplicate row; it is dropped when labels are read"),
    "clipped-box": (
        Severity.warning,
        "a coordinate outside 0 to 1 by at most one pixel; it is clipped when labels are read",
    ),
    "polygon-row": (Severity.warning, "a segmentation polygon; its bounding box is used"),
    "score-column": (Severity.warning, "a sixth value from 0 to 1; it is taken for a score and not used"),
    "box-beyond": (Severity.warning, "a box whose corners leave the image by more than a pixel; it is used as written"),
    "near-identical-box": (Severity.warning, "a box with an IoU of at least 0.9 with another one of its class"),
    "damaged-picture": (Severity.warning, "the image was decoded, but its decoder reports damaged data"),
    "deep-image": (
        Severity.warning,
        "more than 8 bits per channel: image.depth says which value becomes 255",
    ),
    "turned-picture": (Severity.warning, "EXIF rotates or mirrors the image; its boxes refer to the rotated image"),
    "tiny-picture": (Severity.warning, "a side shorter than 10 pixels"),
    "wrong-suffix-image": (Severity.warning, "a format that the suffix does not name, e.g. a PNG file named .jpg"),
    "shared-label": (Severity.warning, "two images with the same stem share one label file"),
    "repeated-picture": (Severity.warning, "the same image twice in one split, by content"),
    "leaked-picture": (Severity.warning, "the same image in two splits, by content"),
    "near-leaked-image": (
        Severity.warning,
        "nearly the same image in two splits, by perceptual hash, e.g. encoded again or resized",
    ),
    "stray-label": (Severity.warning, "a label file without an image"),
    "unlabelled-split": (Severity.warning, "a split without objects"),
    "unseen-class": (Severity.warning, "a class without objects in any split"),
    "untrained-class": (Severity.warning, "a class with objects in other splits, but none in the training split"),
    "class-skew": (
        Severity.warning,
        "a class whose share of the objects differs between the training split and another one",
    ),
    "alpha-image": (Severity.note, "an alpha channel that is not opaque; it is composited on gray 114"),
    "no-label": (Severity.note, "an image without a label file: background"),
    "odd-channels-image": (Severity.note, "not three channels: grayscale, alpha, palette or CMYK"),
    "tiny-object": (Severity.note, "a box with both sides under 2 pixels at the input size of the network"),
    "whole-image-box": (Severity.note, "a box that covers at least 98% of width and height of its image"),
    "few-objects": (Severity.note, "a class with fewer than 10 objects in the training split"),
}
"""Kind -> severity and meaning."""


@dataclass(frozen=True)
class AuditFinding:
    """One finding of an audit.

    Attributes:
        kind: One of :data:`KINDS`.
        split: The split; empty for the whole data set.
        file: The image or label file; None if the finding is not about one file.
        line: Line of the label file, from 1; None for other findings.
        message: One sentence with file and line.
    """

    kind: str
    split: str
    file: Path | None
    line: int | None
    message: str

    @property
    def severity(self) -> Severity:
        """The severity of this kind of finding."""
        return KINDS[self.kind][0]


def kind_problems(only: Sequence[str], skip: Sequence[str]) -> Iterator[HooklineError]:
    """Yield an error per unknown kind in the options ``only`` and ``skip``, and per kind of errors in ``skip``."""
    for option, given in (("only", only), ("skip", skip)):
        for kind in given:
            if kind not in KINDS:
                listed = "docs/dataset.md lists all kinds"
                yield unknown(f"kind of finding in dataset.{option}:", kind, KINDS, listed=listed)
    for kind in skip:
        if kind in KINDS and KINDS[kind][0] is Severity.error:
            yield HooklineError(
                f"dataset.skip: {shown(kind)} is an error, and an image with an error cannot be used",
                "leave such images out with dataset.bad=skip; dataset.skip takes kinds of warnings and notes",
            )


def selected(findings: Iterable[AuditFinding], only: Sequence[str], skip: Sequence[str]) -> list[AuditFinding]:
    """Return all errors, and the warnings and notes that the options ``only`` and ``skip`` select."""
    kinds = set(only or KINDS) - set(skip)
    return [finding for finding in findings if finding.severity is Severity.error or finding.kind in kinds]


def of_severity(findings: Iterable[AuditFinding], severity: Severity) -> list[AuditFinding]:
    """Return the findings of one severity, in order."""
    return [finding for finding in findings if finding.severity is severity]


def counts(findings: Iterable[AuditFinding]) -> dict[str, int]:
    """Return the number of findings by kind, in the order of :data:`KINDS`."""
    counter = Counter(finding.kind for finding in findings)
    return {kind: counter[kind] for kind in KINDS if counter[kind]}


def counted_kinds(findings: Sequence[AuditFinding]) -> str:
    """Return a text such as ``3 errors: 2 empty-box, 1 truncated-picture`` for findings of one severity."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts(findings).items())
    return f"{counted(len(findings), findings[0].severity.value)}: {kinds}"


def lines_of(findings: Sequence[AuditFinding]) -> list[str]:
    """Return one line per kind: its number of findings, and the first one."""
    first: dict[str, str] = {}
    for finding in findings:
        first.setdefault(finding.kind, finding.message)
    return [f"{count:,} {kind}: {first[kind]}" for kind, count in counts(findings).items()]
