"""YOLO label files: one row ``class cx cy w h`` per object, normalised to the image size, class ids from 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, counted, shown
from core.files.regular_file import read_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.data.dataset import Sample

SINGLE_CLASS = ("object",)
"""Class names with ``single_class=true``."""
MAX_BYTES = 8 << 20
"""Maximum size of a label file in bytes: about 200,000 boxes."""
MAX_BAD = 1000
"""Maximum number of reported bad rows per label file, and of reported repeated rows; then reading stops."""
LONGEST_NUMBER = 24
"""Maximum length of a number that a message shows unchanged."""
ROW = "a row is 'class cx cy w h' with the box as fractions 0..1 of the image size"


class RowProblem(str, Enum):
    """Problems of a label row. A repeated row is dropped; all others are errors."""

    malformed = "malformed-row"
    unknown_class = "class-out-of-range"
    outside = "box-outside"
    empty = "empty-box"
    repeated = "repeated-row"


@dataclass(frozen=True)
class BadRow:
    """A bad label row: its line number, from 1, and a message that names line and file."""

    line: int
    problem: RowProblem
    message: str


@dataclass(frozen=True)
class Labels:
    """The labelled objects of one image.

    Attributes:
        classes: int32 [n], class ids.
        boxes: float64 [n, 4], centre x, centre y, width, height as fractions of the image size, 0 to 1.
    """

    classes: NDArray[np.int32]
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.classes)


def of_classes(labels: Labels, wanted: Sequence[int]) -> Labels:
    """Return the objects of the given classes, or all if none is given. Class ids do not change."""
    import numpy as np

    if not wanted:
        return labels
    rows = np.isin(labels.classes, wanted)
    return Labels(labels.classes[rows], labels.boxes[rows])


def as_one_class(labels: Labels) -> Labels:
    """Return all objects with class id 0, the class of :data:`SINGLE_CLASS`."""
    return replace(labels, classes=labels.classes * 0)


def load_labels(sample: Sample, names: Sequence[str]) -> Labels:
    """Read and check the labels of one image; a background image has no objects.

    Rows that repeat another row are dropped.

    Args:
        sample: The image and its label file.
        names: Class names, index = class id.

    Raises:
        HooklineError: A row is malformed, its class id is out of range, or its box is outside 0..1. The message names
            the line.
    """
    labels, bad = check_labels(sample.label, len(names))
    for row in bad:
        if row.problem is not RowProblem.repeated:
            raise HooklineError(row.message, ROW)
    return labels


def check_labels(label: Path | None, count: int) -> tuple[Labels, tuple[BadRow, ...]]:
    """Return the objects of a label file and its bad rows.

    Args:
        label: The file; None for a background image.
        count: Number of classes of the data set.

    Returns:
        The distinct valid rows, and at most :data:`MAX_BAD` errors and as many repeated rows.

    Raises:
        HooklineError: The file cannot be read.
    """
    good: dict[tuple[float, ...], int] = {}
    bad: list[BadRow] = []
    reported = {True: 0, False: 0}  # counted separately, so that repeated rows do not hide errors
    for line, row in _rows(label) if label else ():
        problem: BadRow | None = None
        try:
            values = _values(row, count)
        except _RowError as error:
            problem = BadRow(line, error.problem, f"line {line} of '{label}' {error}")
        else:
            if (first := good.setdefault(values, line)) != line:
                message = f"line {line} of '{label}' repeats line {first}: {shown(' '.join(row))}"
                problem = BadRow(line, RowProblem.repeated, message)
        if problem:
            reported[problem.problem is RowProblem.repeated] += 1
            if reported[problem.problem is RowProblem.repeated] <= MAX_BAD:
                bad.append(problem)
            if reported[False] == MAX_BAD:  # the image cannot be used with these labels
                break
    return _labels(good), tuple(bad)


def _labels(rows: Iterable[tuple[float, ...]]) -> Labels:
    import numpy as np

    values = np.array(list(rows), dtype=np.float64).reshape(-1, 5)
    return Labels(values[:, 0].astype(np.int32), values[:, 1:])


def _rows(label: Path) -> Iterator[tuple[int, list[str]]]:
    """Return line number and values of each line that is not blank."""
    try:
        lines = read_regular(label, MAX_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise HooklineError(
            f"cannot read the labels '{label}' ({error.strerror})", "check the permissions of the file, or remove it"
        ) from error
    except UnicodeDecodeError as error:
        message = f"cannot read the labels '{label}': it is not UTF-8 text (byte {error.start})"
        raise HooklineError(message, "save it as UTF-8") from error
    return ((number, row) for number, line in enumerate(lines, start=1) if (row := line.split()))


class _RowError(Exception):
    def __init__(self, problem: RowProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def _values(row: Sequence[str], count: int) -> tuple[float, ...]:
    """Return class id, centre x, centre y, width and height of one row.

    Raises:
        _RowError: The row is invalid.
    """
    if len(row) != 5:
        polygon = " (a polygon?)" if len(row) >= 7 and len(row) % 2 else ""
        raise _RowError(RowProblem.malformed, f"has {counted(len(row), 'value')}{polygon}: {shown(' '.join(row[:6]))}")
    try:
        number, x, y, width, height = map(float, row)
    except ValueError:
        raise _RowError(RowProblem.malformed, f"has a value that is not a number: {shown(' '.join(row))}") from None
    if not number.is_integer() or not 0 <= number < count:
        message = f"has class {_number(row[0])}, but the data set has {counted(count, 'class')} (0 to {count - 1})"
        raise _RowError(RowProblem.unknown_class, message)
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 <= width <= 1 and 0 <= height <= 1):
        raise _RowError(RowProblem.outside, f"has a box outside 0..1: {shown(' '.join(row[1:]))}")
    if not (width > 0 and height > 0):
        raise _RowError(RowProblem.empty, f"has a box without area: {shown(' '.join(row[1:]))}")
    return number, x, y, width, height


def _number(text: str) -> str:
    return text if len(text) <= LONGEST_NUMBER else shown(text)


def check_objects(
    labels: Iterable[Labels], names: Sequence[str], classes: Sequence[int], split: str, purpose: str
) -> None:
    """Check that a split has at least one object of the given classes.

    Args:
        labels: Labels of the images of the split.
        names: Class names.
        classes: Class ids; empty for all.
        split: Name of the split.
        purpose: What the objects are needed for, e.g. ``train on``.

    Raises:
        HooklineError: There is no such object.
    """
    wanted = set(classes or range(len(names)))
    if any(wanted.intersection(item.classes.tolist()) for item in labels):
        return
    of = f" of the classes {', '.join(names[index] for index in classes)}" if classes else ""
    raise HooklineError(
        f"split '{split}' has no labelled objects{of}: there is nothing to {purpose}",
        "put the labels into labels/ next to images/, one .txt file per image",
    )


def image_ids(images: Sequence[Path]) -> list[int]:
    """Return an id per image: the number in its file name if all names are distinct numbers, otherwise 1 to n."""
    numbers = [int(path.stem) for path in images if path.stem.isdecimal()]
    if len(set(numbers)) == len(images):
        return numbers
    return list(range(1, len(images) + 1))
