"""Reading YOLO label files: one ``class cx cy w h`` a line, normalised to the picture, classes from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.dataset import Sample

ROW = "a row is 'class cx cy w h', the box in fractions 0..1 of the picture"


@dataclass(frozen=True)
class Labels:
    """The objects of one picture.

    Attributes:
        classes: int32 [n].
        boxes: float64 [n, 4], centre x, centre y, width, height in fractions of the picture.
    """

    classes: NDArray[np.int32]
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.classes)


def load_labels(sample: Sample, names: Sequence[str]) -> Labels:
    """Read and check the labels of one picture; none for a background picture.

    Args:
        sample: The picture and its label file.
        names: Class names; a label's class is an index into them.

    Raises:
        HooklineError: A row is malformed, its class is out of range, or its box leaves 0..1; says which line.
    """
    import numpy as np

    rows = _rows(sample.label) if sample.label else []
    try:
        values = np.array([row for _, row in rows], dtype=np.float64).reshape(-1, 5)
    except ValueError:
        raise _first_problem(sample.label, rows, len(names)) from None
    classes, boxes = values[:, 0], values[:, 1:]
    inside = bool(((boxes >= 0) & (boxes <= 1)).all() and (boxes[:, 2:] > 0).all())
    known = bool(((classes >= 0) & (classes < len(names)) & (classes == np.floor(classes))).all())
    if not (inside and known) or any(len(row) != 5 for _, row in rows):
        raise _first_problem(sample.label, rows, len(names))
    return Labels(classes.astype(np.int32), boxes)


def _rows(label: Path) -> list[tuple[int, list[str]]]:
    """Line number and values of each line that is not blank."""
    try:
        lines = label.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HooklineError(f"cannot read the labels '{label}' ({error})", ROW) from error
    return [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]


def _first_problem(label: Path | None, rows: Sequence[tuple[int, list[str]]], count: int) -> HooklineError:
    for number, row in rows:
        if problem := _problem(row, count):
            return HooklineError(f"line {number} of '{label}' {problem}", ROW)
    raise ValueError(f"no problem found in '{label}'")


def _problem(row: Sequence[str], count: int) -> str:
    """What is wrong with one row, empty if nothing is."""
    if len(row) != 5:
        polygon = " (a polygon?)" if len(row) >= 7 and len(row) % 2 else ""
        return f"has {len(row)} values{polygon}: '{' '.join(row[:6])}'"
    try:
        number, *box = map(float, row)
    except ValueError:
        return f"is not numbers: '{' '.join(row)}'"
    if not number.is_integer() or not 0 <= number < count:
        return f"has class {row[0]}, but the data set has {count} classes (0 to {count - 1})"
    if not all(0 <= value <= 1 for value in box):
        return f"has a box outside 0..1: '{' '.join(row[1:])}'"
    if not (box[2] > 0 and box[3] > 0):
        return f"has a box without area: '{' '.join(row[1:])}'"
    return ""
