"""Statistics of an audit by split and class, as data and as aligned columns. Heavy: imports NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import counted
from core.tables import aligned
from stages.dataset.auditing import Audit, SplitStatistics
from stages.dataset.findings import Severity, of_severity

SMALL, MEDIUM = 32.0**2, 96.0**2
"""COCO's bounds of small, medium and large objects, in square pixels."""


@dataclass(frozen=True)
class SplitNumbers:
    """One split.

    Attributes:
        pictures: Those that can be used.
        left_out: Those with an error.
        no_label: Of ``pictures``, without a label file: background.
        empty_label: Of ``pictures``, with a label file without rows: background too.
        objects: In ``pictures``; repeated rows do not count.
        classes: How many classes have an object.
        most_objects: In one picture.
        width, height: Median of the pictures, pixels; 0 where there are none.
        small, medium, large: Objects under 32 x 32 pixels of area, under 96 x 96, and the others.
        errors, warnings: Findings.
    """

    pictures: int
    left_out: int
    no_label: int
    empty_label: int
    objects: int
    classes: int
    most_objects: int
    width: int
    height: int
    small: int
    medium: int
    large: int
    errors: int
    warnings: int


@dataclass(frozen=True)
class ClassNumbers:
    """One class.

    Attributes:
        index, name: Of the class.
        objects: Per split.
        pictures: Per split, those with such an object.
        share: Of all objects, 0..1.
        width, height: Median of its boxes over all splits, pixels; 0 where there are none.
    """

    index: int
    name: str
    objects: dict[str, int]
    pictures: dict[str, int]
    share: float
    width: int
    height: int


@dataclass(frozen=True)
class Numbers:
    """All figures: of each split, and of each class by number."""

    splits: dict[str, SplitNumbers]
    classes: list[ClassNumbers]


def numbers_of(audit: Audit) -> Numbers:
    """The figures of an audit."""
    splits = {split: _split(audit, split, tally) for split, tally in audit.tallies.items()}
    return Numbers(splits, _classes(audit))


def _split(audit: Audit, split: str, tally: SplitStatistics) -> SplitNumbers:
    findings = [finding for finding in audit.findings if finding.split == split]
    areas = tally.pixels.prod(axis=1)
    small, medium = int((areas < SMALL).sum()), int((areas < MEDIUM).sum())
    width, height = _median(tally.sizes)
    return SplitNumbers(
        pictures=tally.pictures,
        left_out=len(audit.left_out[split]),
        no_label=tally.no_label,
        empty_label=tally.empty_label,
        objects=tally.objects,
        classes=len(set(tally.classes.tolist())),
        most_objects=int(np.bincount(tally.owners).max(initial=0)),
        width=width,
        height=height,
        small=small,
        medium=medium - small,
        large=tally.objects - medium,
        errors=len(of_severity(findings, Severity.error)),
        warnings=len(of_severity(findings, Severity.warning)),
    )


def _classes(audit: Audit) -> list[ClassNumbers]:
    names, tallies = audit.spec.names, audit.tallies
    objects = {split: tally.class_counts(len(names)).tolist() for split, tally in tallies.items()}
    pictures = {split: tally.class_pictures(len(names)).tolist() for split, tally in tallies.items()}
    total = sum(tally.objects for tally in tallies.values())
    medians = _class_medians(list(tallies.values()), len(names))
    return [
        ClassNumbers(
            index=index,
            name=name,
            objects={split: counts[index] for split, counts in objects.items()},
            pictures={split: counts[index] for split, counts in pictures.items()},
            share=sum(counts[index] for counts in objects.values()) / total if total else 0.0,
            width=medians[index][0],
            height=medians[index][1],
        )
        for index, name in enumerate(names)
    ]


def _class_medians(tallies: Sequence[SplitStatistics], count: int) -> list[tuple[int, int]]:
    classes = np.concatenate([tally.classes for tally in tallies])
    pixels = np.concatenate([tally.pixels for tally in tallies])
    order = np.argsort(classes, kind="stable")
    bounds = np.searchsorted(classes[order], np.arange(count + 1))
    return [_median(pixels[order[start:end]]) for start, end in itertools.pairwise(bounds)]


def _median(sizes: np.ndarray[tuple[int, ...], np.dtype[np.number]]) -> tuple[int, int]:
    if not len(sizes):
        return 0, 0
    width, height = np.median(np.asarray(sizes, np.float64), axis=0)
    return round(float(width)), round(float(height))


SHOWN = 20
"""Classes in the table on the terminal; the report has them all."""
SPLIT_HEADER = (
    "Split",
    "Images",
    "Empty",
    "Objects",
    "Classes",
    "Small",
    "Medium",
    "Large",
    "Errors",
    "Warnings",
)


def split_rows(splits: Mapping[str, SplitNumbers]) -> list[tuple[str, ...]]:
    """Header, and one row a split."""
    rows = [
        (split, *map(str, (
            item.pictures, item.no_label + item.empty_label, item.objects, item.classes,
            item.small, item.medium, item.large, item.errors, item.warnings,
        )))
        for split, item in splits.items()
    ]  # fmt: skip
    return [SPLIT_HEADER, *rows]


def class_rows(classes: Sequence[ClassNumbers]) -> list[tuple[str, ...]]:
    """Header, and one row a class, the most frequent first."""
    splits = list(classes[0].objects)
    header = ("Class", *splits, "Share", "Median box")
    return [header, *(_class_row(item, splits) for item in by_frequency(classes))]


def by_frequency(classes: Sequence[ClassNumbers]) -> list[ClassNumbers]:
    """The classes, the most frequent first."""
    return sorted(classes, key=lambda item: (-item.share, item.index))


def _class_row(item: ClassNumbers, splits: Sequence[str]) -> tuple[str, ...]:
    box = f"{item.width} x {item.height}" if item.share else "-"
    return (item.name, *(str(item.objects[split]) for split in splits), f"{item.share:.1%}", box)


def split_table(splits: Mapping[str, SplitNumbers]) -> str:
    """What each split holds."""
    return "\n".join(aligned(split_rows(splits)))


def split_line(splits: Mapping[str, SplitNumbers]) -> str:
    """What each split holds, in few words."""
    held = (
        f"{split} {counted(item.pictures, 'image')} with {counted(item.objects, 'object')}"
        for split, item in splits.items()
    )
    return ", ".join(held)


def class_table(classes: Sequence[ClassNumbers]) -> str:
    """The most frequent classes."""
    rows = class_rows(classes)
    table = "\n".join(aligned(rows[: SHOWN + 1]))
    return f"{table}\n{counted(len(rows) - 1 - SHOWN, 'more class')} in report.json" if len(rows) > SHOWN + 1 else table
