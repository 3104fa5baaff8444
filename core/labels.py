"""YOLO label files: one row ``class cx cy w h`` per object, normalised to the image size, class ids from 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.label_rows import ImageSize, RowError, RowProblem, parse_row, plain_row
from core.errors import HooklineError, shown
from core.files.regular_file import read_regular
from core.label_classes import ALL_CLASSES, LabelClasses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.data.dataset import Sample

SINGLE_CLASS = ("object",)
"""Class names with ``single_class=true``."""
MAX_BYTES = 8 << 20
"""Maximum size of a label file in bytes: about 200,000 boxes."""
MAX_BAD = 1000
"""Maximum number of reported errors per label file, after which reading stops, and of reported repairs."""
ROW = "a row is 'class cx cy w h' with the box as fractions 0..1 of the image size"


@dataclass(frozen=True)
class BadRow:
    """An error or a repair of a label row: its line number, from 1, and a message that names line and file."""

    line: int
    problem: RowProblem
    message: str


def _no_boxes() -> NDArray[np.float64]:
    import numpy as np

    return np.zeros((0, 4), np.float64)


def _no_classes() -> NDArray[np.int32]:
    import numpy as np

    return np.zeros(0, np.int32)


@dataclass(frozen=True)
class Labels:
    """The labelled objects of one image.

    Attributes:
        classes: int32 [n], class ids.
        boxes: float64 [n, 4], centre x, centre y, width, height as fractions of the image size, 0 to 1.
        regions: float64 [m, 4], ignore regions in the same form: a detection inside is neither right nor wrong.
        region_classes: int32 [m], class id that a region applies to, or :data:`~core.label_classes.ALL_CLASSES`. A
            region of several classes has a row for each.
    """

    classes: NDArray[np.int32]
    boxes: NDArray[np.float64]
    regions: NDArray[np.float64] = field(default_factory=_no_boxes)
    region_classes: NDArray[np.int32] = field(default_factory=_no_classes)

    def __len__(self) -> int:
        return len(self.classes)


def of_classes(labels: Labels, wanted: Sequence[int]) -> Labels:
    """Return objects and regions of the given classes, or all if none is given. Class ids do not change."""
    import numpy as np

    if not wanted:
        return labels
    rows = np.isin(labels.classes, wanted)
    regions = np.isin(labels.region_classes, [*wanted, ALL_CLASSES])
    return Labels(labels.classes[rows], labels.boxes[rows], labels.regions[regions], labels.region_classes[regions])


def as_one_class(labels: Labels) -> Labels:
    """Return all objects with class id 0, the class of :data:`SINGLE_CLASS`."""
    import numpy as np

    return replace(labels, classes=labels.classes * 0, region_classes=np.minimum(labels.region_classes, 0))


def distinct_regions(labels: Labels) -> NDArray[np.float64]:
    """Return the ignore regions, each once, whatever their classes: float64 [m, 4], in the form of the boxes."""
    import numpy as np

    return np.unique(labels.regions, axis=0)


def load_labels(sample: Sample, names: Sequence[str]) -> Labels:
    """Read and check the labels of one image; a background image has no objects.

    Rows are repaired as in :func:`check_labels`; the stage ``dataset`` reports each repair.

    Args:
        sample: The image and its label file; ``sample.classes`` says which of its classes are ignore regions.
        names: Class names, index = class id.

    Raises:
        HooklineError: A row is malformed, its class id is out of range, or its box is outside 0..1. The message names
            the line.
    """
    labels, bad = check_labels(sample.label, len(names), partial(size_of, sample.image), sample.classes)
    for row in bad:
        if row.problem.is_error:
            raise HooklineError(row.message, ROW)
    return labels


def check_labels(
    label: Path | None, count: int, size: ImageSize | None = None, classes: LabelClasses | None = None
) -> tuple[Labels, tuple[BadRow, ...]]:
    """Return the objects of a label file, its errors and its repairs.

    :func:`core.data.label_rows.parse_row` defines which rows are read. A row that repeats another one is dropped.

    Args:
        label: The file; None for a background image.
        count: Number of classes of the data set.
        size: Returns height and width of the image; None if there is none, or it is unreadable.
        classes: The classes in the label files of a data set with ignore regions; then ``count`` is not used.

    Returns:
        The distinct usable rows, and at most :data:`MAX_BAD` errors and as many repairs.

    Raises:
        HooklineError: The file cannot be read.
    """
    count = len(classes.written) if classes else count
    good: dict[tuple[float, ...], int] = {}
    found: list[BadRow] = []
    reported = {True: 0, False: 0}  # counted separately, so that repairs do not hide errors
    for line, text in _lines(label) if label else ():
        plain = plain_row(text, count)
        if plain and good.setdefault(plain, line) == line:
            continue
        for problem, message in [_repeated(text, good[plain])] if plain else _take(text, line, count, size, good):
            reported[problem.is_error] += 1
            if reported[problem.is_error] <= MAX_BAD:
                found.append(BadRow(line, problem, f"line {line} of '{label}' {message}"))
        if reported[True] == MAX_BAD:  # the image cannot be used with these labels
            break
    return _labels(good, classes), tuple(found)


def _take(
    text: str, line: int, count: int, size: ImageSize | None, good: dict[tuple[float, ...], int]
) -> Iterable[tuple[RowProblem, str]]:
    """Add the object of a line to ``good`` (its values -> its line), and return problem and message of each finding."""
    try:
        row = parse_row(text, count, size)
    except RowError as error:
        return [(error.problem, str(error))]
    if (first := good.setdefault((row.class_id, *row.box), line)) != line:
        return [_repeated(text, first)]
    return row.repairs


def _repeated(text: str, first: int) -> tuple[RowProblem, str]:
    return RowProblem.repeated, f"repeats line {first}: {shown(text)}"


def size_of(image: Path) -> tuple[int, int] | None:
    """Return height and width of an image in pixels; None if it is unreadable."""
    from core.media.picture import UnreadableError, picture_size

    try:
        return picture_size(image)
    except UnreadableError:  # reported by who decodes the image
        return None


def _labels(rows: Iterable[tuple[float, ...]], classes: LabelClasses | None) -> Labels:
    import numpy as np

    values = np.array(list(rows), dtype=np.float64).reshape(-1, 5)
    written = values[:, 0].astype(np.int32)
    if classes is None:
        return Labels(written, values[:, 1:])
    ids = [classes.ids[number] for number in written.tolist()]
    objects = [row for row, number in enumerate(ids) if number is not None]
    regions = [
        (row, number) for row, found in enumerate(ids) if found is None for number in classes.ignored_by(written[row])
    ]
    return Labels(
        np.array([ids[row] for row in objects], np.int32),
        values[objects, 1:],
        values[[row for row, _ in regions], 1:],
        np.array([number for _, number in regions], np.int32),
    )


def _lines(label: Path) -> Iterator[tuple[int, str]]:
    """Return number and text of each line that is not blank."""
    try:
        lines = read_regular(label, MAX_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise HooklineError(
            f"cannot read the labels '{label}' ({error.strerror})", "check the permissions of the file, or remove it"
        ) from error
    except UnicodeDecodeError as error:
        message = f"cannot read the labels '{label}': it is not UTF-8 text (byte {error.start})"
        raise HooklineError(message, ROW) from error
    return ((number, line) for number, line in enumerate(lines, start=1) if line and not line.isspace())


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
