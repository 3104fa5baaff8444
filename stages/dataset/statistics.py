"""Statistics of an audit by split and class, as data and as text tables. Heavy: imports NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import counted
from core.tables import aligned
from stages.dataset.auditing import Audit
from stages.dataset.findings import Severity, of_severity
from stages.dataset.split_statistics import SplitStatistics

SMALL, MEDIUM = 32.0**2, 96.0**2
"""COCO's limits of small and medium objects, in square pixels."""


@dataclass(frozen=True)
class SplitNumbers:
    """Statistics of one split.

    Attributes:
        pictures: Number of usable images.
        left_out: Number of images with errors.
        no_label: Number of usable images without a label file (background).
        empty_label: Number of usable images with an empty label file (background).
        objects: Number of objects, without duplicate rows.
        classes: Number of classes that have objects.
        most_objects: Maximum number of objects in one image.
        width, height: Median size of the images in pixels; 0 without images.
        small, medium, large: Number of objects with an area below 32 x 32 pixels, below 96 x 96, and larger.
        errors, warnings: Number of findings.
        ignored: Number of ignore regions, which are no objects.
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
    ignored: int = 0


@dataclass(frozen=True)
class ClassNumbers:
    """Statistics of one class.

    Attributes:
        index, name: Class id and name.
        objects: Number of objects per split.
        pictures: Number of images with objects of the class, per split.
        share: Share of all objects, 0 to 1.
        width, height: Median size of its boxes over all splits in pixels; 0 without objects.
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
    """Statistics of all splits, and of all classes by id."""

    splits: dict[str, SplitNumbers]
    classes: list[ClassNumbers]


def numbers_of(audit: Audit) -> Numbers:
    """Return the statistics of an audit."""
    splits = {split: _split(audit, split, stats) for split, stats in audit.statistics.items()}
    return Numbers(splits, _classes(audit))


def _split(audit: Audit, split: str, stats: SplitStatistics) -> SplitNumbers:
    findings = [finding for finding in audit.findings if finding.split == split]
    areas = stats.pixels.prod(axis=1)
    small, medium = int((areas < SMALL).sum()), int((areas < MEDIUM).sum())
    width, height = _median(stats.sizes)
    return SplitNumbers(
        pictures=stats.pictures,
        left_out=len(audit.left_out[split]),
        no_label=stats.no_label,
        empty_label=stats.empty_label,
        objects=stats.objects,
        classes=len(set(stats.classes.tolist())),
        most_objects=int(np.bincount(stats.owners).max(initial=0)),
        width=width,
        height=height,
        small=small,
        medium=medium - small,
        large=stats.objects - medium,
        errors=len(of_severity(findings, Severity.error)),
        warnings=len(of_severity(findings, Severity.warning)),
        ignored=stats.regions,
    )


def _classes(audit: Audit) -> list[ClassNumbers]:
    names, statistics = audit.spec.names, audit.statistics
    objects = {split: stats.class_counts(len(names)).tolist() for split, stats in statistics.items()}
    pictures = {split: stats.class_pictures(len(names)).tolist() for split, stats in statistics.items()}
    total = sum(stats.objects for stats in statistics.values())
    medians = _class_medians(list(statistics.values()), len(names))
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


def _class_medians(statistics: Sequence[SplitStatistics], count: int) -> list[tuple[int, int]]:
    classes = np.concatenate([stats.classes for stats in statistics])
    pixels = np.concatenate([stats.pixels for stats in statistics])
    order = np.argsort(classes, kind="stable")
    bounds = np.searchsorted(classes[order], np.arange(count + 1))
    return [_median(pixels[order[start:end]]) for start, end in itertools.pairwise(bounds)]


def _median(sizes: np.ndarray[tuple[int, ...], np.dtype[np.number]]) -> tuple[int, int]:
    if not len(sizes):
        return 0, 0
    width, height = np.median(np.asarray(sizes, np.float64), axis=0)
    return round(float(width)), round(float(height))


MAX_ROWS = 20
"""Maximum number of classes in the printed table; the report has all."""
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


IGNORED_AT = SPLIT_HEADER.index("Objects") + 1
"""Position of the column of ignore regions."""


def split_rows(splits: Mapping[str, SplitNumbers]) -> list[tuple[str, ...]]:
    """Return a header and one row per split; with a column of ignore regions if there are any."""
    rows: list[tuple[str, ...]] = [
        (split, *map(str, (
            item.pictures, item.no_label + item.empty_label, item.objects, item.classes,
            item.small, item.medium, item.large, item.errors, item.warnings,
        )))
        for split, item in splits.items()
    ]  # fmt: skip
    if not any(item.ignored for item in splits.values()):
        return [SPLIT_HEADER, *rows]
    ignored = ("Ignored", *(str(item.ignored) for item in splits.values()))
    return [
        (*row[:IGNORED_AT], value, *row[IGNORED_AT:]) for row, value in zip([SPLIT_HEADER, *rows], ignored, strict=True)
    ]


def class_rows(classes: Sequence[ClassNumbers]) -> list[tuple[str, ...]]:
    """Return a header and one row per class, most frequent first."""
    splits = list(classes[0].objects)
    header = ("Class", *splits, "Share", "Median box")
    return [header, *(_class_row(item, splits) for item in by_frequency(classes))]


def by_frequency(classes: Sequence[ClassNumbers]) -> list[ClassNumbers]:
    """Return the classes, most frequent first."""
    return sorted(classes, key=lambda item: (-item.share, item.index))


def _class_row(item: ClassNumbers, splits: Sequence[str]) -> tuple[str, ...]:
    box = f"{item.width} x {item.height}" if item.share else "-"
    return (item.name, *(str(item.objects[split]) for split in splits), f"{item.share:.1%}", box)


def split_table(splits: Mapping[str, SplitNumbers]) -> str:
    """Return the statistics of the splits as a text table."""
    return "\n".join(aligned(split_rows(splits)))


def split_line(splits: Mapping[str, SplitNumbers]) -> str:
    """Return the numbers of images and objects per split in one line."""
    parts = (
        f"{split} {counted(item.pictures, 'image')} with {counted(item.objects, 'object')}"
        + (f" and {counted(item.ignored, 'ignore region')}" if item.ignored else "")
        for split, item in splits.items()
    )
    return ", ".join(parts)


def class_table(classes: Sequence[ClassNumbers]) -> str:
    """Return the statistics of the most frequent classes as a text table."""
    rows = class_rows(classes)
    table = "\n".join(aligned(rows[: MAX_ROWS + 1]))
    more = len(rows) - 1 - MAX_ROWS
    return f"{table}\n{counted(more, 'more class')} in report.json" if more > 0 else table
