"""The finished part of an interrupted run, read from its files; a resumed run continues after it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.media.source import Source, SourceKind
from stages.predict.live_text import json_entries
from stages.predict.records import BOXES, CSV_COLUMNS, IMAGES, TABLE
from stages.predict.resume_state import ResumeState, damaged_file


@dataclass(frozen=True)
class FinishedPart:
    """The finished part of an interrupted run.

    Attributes:
        folder: Directory of its results.
        found: Whether there is an interrupted run in the directory.
        finished: Name of each finished file of the source -> index after its last frame.
        ids: Image ids of the finished frames.
        names: Names of the finished frames.
        damaged: Name of each finished frame that is damaged -> the damage.
    """

    folder: Path
    found: bool = False
    finished: Mapping[str, int] = field(default_factory=dict)
    ids: Collection[int] = frozenset()
    names: Collection[str] = frozenset()
    damaged: Mapping[str, str] = field(default_factory=dict)

    def images(self) -> Iterator[dict[str, object]]:
        """Yield the entries of ``images.json`` to keep."""
        return (entry for entry in _entries(self.folder / IMAGES) if entry.get("file_name") in self.names)

    def boxes(self) -> Iterator[dict[str, object]]:
        """Yield the entries of ``predictions.json`` to keep, without boxes of unfinished frames."""
        return (entry for entry in _entries(self.folder / BOXES) if entry.get("image_id") in self.ids)

    def classes(self) -> Iterator[int]:
        """Yield the class ids of :meth:`boxes`."""
        ids = (entry.get("category_id") for entry in self.boxes())
        return (number for number in ids if isinstance(number, int))

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows of ``predictions.csv`` to keep."""
        return (row for row in _rows(self.folder / TABLE) if row[0] in self.names)


def read_finished_part(
    state: ResumeState, folder: Path, source: Source, *, table: bool, classes: int, missing: Callable[[str], bool]
) -> FinishedPart:
    """Read the finished part: frames on which all result files agree, of source files that have not changed since.

    Args:
        state: The state of the interrupted run.
        folder: Its directory.
        source: The source of this run.
        table: Whether ``predictions.csv`` belongs to the results.
        classes: Number of classes of the model.
        missing: Returns whether the annotated file of a source file, given by its name, is missing.

    Raises:
        HooklineError: As :meth:`ResumeState.read`.
    """
    videos = state.read()
    if videos is None:
        return FinishedPart(folder)
    entries, damage = _complete(folder, table=table, classes=classes)
    images = source.kind is SourceKind.pictures
    files = {name: [name] for name in entries} if images else _frames_of(videos, entries)
    unchanged = state.unchanged()
    files = {name: frames for name, frames in files.items() if name in unchanged and not missing(name)}
    if images:
        finished = {name: index + 1 for index, name in enumerate(source.names) if name in files}
    else:
        finished = {name: max(entries[frame] for frame in frames) for name, frames in files.items() if frames}
    names = {frame for frames in files.values() for frame in frames}
    return FinishedPart(
        folder,
        found=True,
        finished=finished,
        ids={entries[name] for name in names},
        names=names,
        damaged={name: reason for name, reason in damage.items() if name in names},
    )


def _frames_of(videos: Mapping[str, int], entries: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the frames of each finished video; leave out videos with missing frames."""
    files: dict[str, list[str]] = {name: [] for name in videos}
    for frame in entries:
        files.get(frame.rpartition("#")[0], []).append(frame)
    return {name: frames for name, frames in files.items() if len(frames) == videos[name]}


def _complete(folder: Path, *, table: bool, classes: int) -> tuple[dict[str, int], dict[str, str]]:
    """Find the frames of images.json with all boxes in the other files.

    Returns:
        Name -> image id, and name -> damage.
    """
    boxes = Counter(entry["image_id"] for entry in _entries(folder / BOXES) if _is_box(entry, classes))
    rows = Counter(row[0] for row in _rows(folder / TABLE))
    found: dict[str, int] = {}
    damage: dict[str, str] = {}
    for entry in _entries(folder / IMAGES):
        try:
            name, image_id, count = str(entry["file_name"]), _integer(entry["id"]), _integer(entry["boxes"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged_file(folder / IMAGES) from error
        if boxes[image_id] == count and (not table or rows[name] == count):
            found[name] = image_id
            if entry.get("damaged"):
                damage[name] = str(entry["damaged"])
    return found, damage


def _integer(value: object) -> int:
    """Convert a value to an integer.

    Raises:
        TypeError, ValueError: It cannot be converted.
    """
    if not isinstance(value, int | float | str):
        raise TypeError(f"a {type(value).__name__} is not a number")
    return int(value)


def _is_box(entry: Mapping[str, object], classes: int) -> bool:
    number, image_id = entry.get("category_id"), entry.get("image_id")
    return isinstance(image_id, int) and isinstance(number, int) and 0 <= number < classes


def _entries(file: Path) -> Iterator[dict[str, object]]:
    if file.is_file():
        yield from (entry for entry in json_entries(file) if isinstance(entry, dict))


def _rows(file: Path) -> Iterator[list[str]]:
    if file.is_file():
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            yield from (row for row in csv.reader(_whole_lines(lines)) if len(row) == len(CSV_COLUMNS))


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield all lines; leave out a last line without a line end."""
    previous = ""
    for line in lines:
        if previous:
            yield previous
        previous = line
    if previous.endswith("\n"):
        yield previous
