"""The figures of an audit as aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.columns import aligned
from core.errors import counted
from stages.dataset.numbers import ClassNumbers, SplitNumbers

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
