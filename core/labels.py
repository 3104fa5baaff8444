"""YOLO label files: one ``class cx cy w h`` per line, normalised to the image, classes from 0."""

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
"""The class names of a data set whose classes are treated as one."""
MAX_BYTES = 8 << 20
"""Bytes of a label file: some 200,000 boxes."""
MAX_BAD = 1000
"""Wrong rows of one label file after which it is not read further; as many repeated rows are reported."""
LONGEST_NUMBER = 24
"""Characters of a number that a message repeats as it is."""
ROW = "a row is 'class cx cy w h', the box in fractions 0..1 of the image"


class RowProblem(str, Enum):
    """What can be wrong with a row; a repeated one is dropped, each of the others is an error."""

    malformed = "malformed-row"
    unknown_class = "class-out-of-range"
    outside = "box-outside"
    empty = "empty-box"
    repeated = "repeated-row"


@dataclass(frozen=True)
class BadRow:
    """A row that is wrong: its line, counted from 1, and a sentence that names line and file."""

    line: int
    problem: RowProblem
    message: str


@dataclass(frozen=True)
class Labels:
    """The objects of one image.

    Attributes:
        classes: int32 [n].
        boxes: float64 [n, 4], centre x, centre y, width, height as fractions of the image, 0..1.
    """

    classes: NDArray[np.int32]
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.classes)


def of_classes(labels: Labels, wanted: Sequence[int]) -> Labels:
    """The objects of the wanted classes, all where none is named; their numbers stay."""
    import numpy as np

    if not wanted:
        return labels
    rows = np.isin(labels.classes, wanted)
    return Labels(labels.classes[rows], labels.boxes[rows])


def as_one_class(labels: Labels) -> Labels:
    """All objects as the one class of :data:`SINGLE_CLASS`."""
    return replace(labels, classes=labels.classes * 0)


def load_labels(sample: Sample, names: Sequence[str]) -> Labels:
    """Read and check the labels of one image; none for a background image.

    A row that repeats another one, number for number, is dropped.

    Args:
        sample: The image and its label file.
        names: Class names; a label's class is an index into them.

    Raises:
        HooklineError: A row is malformed, its class is out of range, or its box leaves 0..1; says which line.
    """
    labels, bad = check_labels(sample.label, len(names))
    for row in bad:
        if row.problem is not RowProblem.repeated:
            raise HooklineError(row.message, ROW)
    return labels


def check_labels(label: Path | None, count: int) -> tuple[Labels, tuple[BadRow, ...]]:
    """The good rows of a label file, each once, and what is wrong with the others: at most :data:`MAX_BAD` errors.

    Args:
        label: The file; None for a background picture.
        count: Number of classes of the data set.

    Raises:
        HooklineError: The file cannot be read.
    """
    good: dict[tuple[float, ...], int] = {}
    bad: list[BadRow] = []
    reported = {True: 0, False: 0}  # apart, so that repeated rows hide no error
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
            if reported[False] == MAX_BAD:  # the picture cannot be used as it is labelled
                break
    return _labels(good), tuple(bad)


def _labels(rows: Iterable[tuple[float, ...]]) -> Labels:
    import numpy as np

    values = np.array(list(rows), dtype=np.float64).reshape(-1, 5)
    return Labels(values[:, 0].astype(np.int32), values[:, 1:])


def _rows(label: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of each line that is not blank."""
    try:
        lines = read_regular(label, MAX_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise HooklineError(f"cannot read the labels '{label}' ({error.strerror})", ROW) from error
    except UnicodeDecodeError as error:
        message = f"cannot read the labels '{label}': it is not UTF-8 text (byte {error.start})"
        raise HooklineError(message, ROW) from error
    return ((number, row) for number, line in enumerate(lines, start=1) if (row := line.split()))


class _RowError(Exception):
    def __init__(self, problem: RowProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def _values(row: Sequence[str], count: int) -> tuple[float, ...]:
    """Class, centre x, centre y, width, height of one row.

    Raises:
        _RowError: It is not a good row.
    """
    if len(row) != 5:
        polygon = " (a polygon?)" if len(row) >= 7 and len(row) % 2 else ""
        raise _RowError(RowProblem.malformed, f"has {counted(len(row), 'value')}{polygon}: {shown(' '.join(row[:6]))}")
    try:
        number, x, y, width, height = map(float, row)
    except ValueError:
        raise _RowError(RowProblem.malformed, f"is not numbers: {shown(' '.join(row))}") from None
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
    """Refuse a split without a single object of the wanted classes.

    Args:
        labels: Of the pictures of the split.
        names: Class names.
        classes: Wanted class ids; none: all.
        split: Its name.
        purpose: What objects are needed for, an infinitive.

    Raises:
        HooklineError: There is none.
    """
    wanted = set(classes or range(len(names)))
    if any(wanted.intersection(item.classes.tolist()) for item in labels):
        return
    of = f" of the classes {', '.join(names[index] for index in classes)}" if classes else ""
    raise HooklineError(
        f"split '{split}' has no labelled objects{of}: there is nothing to {purpose}",
        "labels lie in labels/ beside images/, one .txt per image",
    )


def image_ids(pictures: Sequence[Path]) -> list[int]:
    """An id for each picture: its name where all are distinct numbers, else 1..n."""
    numbers = [int(path.stem) for path in pictures if path.stem.isdecimal()]
    if len(set(numbers)) == len(pictures):
        return numbers
    return list(range(1, len(pictures) + 1))
