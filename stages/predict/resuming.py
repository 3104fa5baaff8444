"""What an interrupted run has finished, read from its files, so that a resumed one continues after it."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from core.errors import HooklineError, counted
from core.files.paths import write_file
from core.media.source import Source, SourceKind
from core.storage.digest import text_digest
from stages.predict.live_text import json_entries
from stages.predict.records import BOXES, CSV_COLUMNS, IMAGES, TABLE

STATE = ".progress.json"
"""Which files the source has, and which videos are finished. It goes when the results are complete."""


@dataclass(frozen=True)
class Former:
    """The finished part of an interrupted run.

    Attributes:
        folder: Where its results are.
        found: An interrupted run has left something here.
        finished: Name of a file in the source -> index after its last frame.
        ids: Image ids of the finished frames.
        names: Names of the finished frames.
        damaged: Name of each finished frame that is damaged -> what is wrong.
    """

    folder: Path
    found: bool = False
    finished: Mapping[str, int] = field(default_factory=dict)
    ids: Collection[int] = frozenset()
    names: Collection[str] = frozenset()
    damaged: Mapping[str, str] = field(default_factory=dict)

    def images(self) -> Iterator[dict[str, object]]:
        """Entries of ``images.json`` that stay."""
        return (entry for entry in _entries(self.folder / IMAGES) if entry.get("file_name") in self.names)

    def boxes(self) -> Iterator[dict[str, object]]:
        """Entries of ``predictions.json`` that stay: a killed run may have written boxes of an unfinished frame."""
        return (entry for entry in _entries(self.folder / BOXES) if entry.get("image_id") in self.ids)

    def classes(self) -> Iterator[int]:
        """Class ids of :meth:`boxes`."""
        ids = (entry.get("category_id") for entry in self.boxes())
        return (number for number in ids if isinstance(number, int))

    def rows(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv`` that stay."""
        return (row for row in _rows(self.folder / TABLE) if row[0] in self.names)


class _Content(TypedDict):
    """What the file holds."""

    files: int
    source: str
    began: int
    content: list[str]
    finished: dict[str, int]


class ResumeState:
    """The file that remembers the source, when the work began, and which videos are finished.

    Args:
        folder: The stage's directory.
        source: What is read.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._path = folder / STATE
        self._content: _Content = {
            "files": len(source.files),
            "source": text_digest("\n".join(source.names)),
            "began": time.time_ns(),
            "content": [_state_of(file) for file in source.files],
            "finished": {},
        }
        self._now = self._content["content"]
        self._source = source

    def unchanged(self) -> set[str]:
        """Names of the files that are those that the interrupted run began with, unchanged, wherever they are now."""
        rows = zip(self._source.names, self._source.files, self._now, self._content["content"], strict=True)
        return {name for name, file, now, former in rows if now == former and _older(file, self._content["began"])}

    def read(self) -> Mapping[str, int] | None:
        """Take over what an interrupted run has left.

        Returns:
            Name of each finished video -> number of its frames; None where no run has left anything.

        Raises:
            HooklineError: It had another source, or the file is damaged.
        """
        if not self._path.is_file():
            return None
        try:
            former = json.loads(self._path.read_text(encoding="utf-8"))
            files, source, began = int(former["files"]), str(former["source"]), int(former["began"])
            content = [str(state) for state in former["content"]]
            finished = {str(name): int(frames) for name, frames in former["finished"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self._path) from error
        if source != self._content["source"]:
            raise HooklineError(
                f"the interrupted run in '{self._path.parent}' had another source, of {counted(files, 'file')}; now it "
                f"has {self._content['files']}",
                "give the same files, or leave resume=true out to start again",
            )
        if len(content) != len(self._now):
            raise damaged(self._path)
        self._content.update({"began": began, "content": content, "finished": finished})
        return finished

    def write(self) -> None:
        """Write the file."""
        write_file(self._path, json.dumps(self._content).encode())

    def finish(self, name: str, frames: int) -> None:
        """Remember that a video of the source is finished.

        Args:
            name: Its name in the source.
            frames: How many of its frames were processed.
        """
        self._content["finished"][name] = frames
        self.write()

    def remove(self) -> None:
        """Nothing is left to resume."""
        self._path.unlink(missing_ok=True)


def read_former(
    state: ResumeState, folder: Path, source: Source, *, table: bool, classes: int, missing: Callable[[str], bool]
) -> Former:
    """Read what is finished: what all files agree on, of sources that have not changed since.

    Args:
        state: What is known of the interrupted run.
        folder: Its directory.
        source: What is read.
        table: Whether ``predictions.csv`` belongs to the results.
        classes: Number of classes of the model.
        missing: Whether an output of a file of the source, given by its name, is not there.

    Raises:
        HooklineError: As :meth:`State.read`.
    """
    videos = state.read()
    if videos is None:
        return Former(folder)
    entries, damage = _whole(folder, table=table, classes=classes)
    if source.kind is SourceKind.pictures:
        files = {name: [name] for name in entries}
    else:
        files = {name: [] for name in videos}
        for frame in entries:
            files.get(frame.rpartition("#")[0], []).append(frame)
        files = {name: frames for name, frames in files.items() if len(frames) == videos[name]}
    unchanged = state.unchanged()
    files = {name: frames for name, frames in files.items() if name in unchanged and not missing(name)}
    if source.kind is SourceKind.pictures:
        finished = {name: index + 1 for index, name in enumerate(source.names) if name in files}
    else:
        finished = {name: max(entries[frame] for frame in frames) for name, frames in files.items() if frames}
    names = {frame for frames in files.values() for frame in frames}
    return Former(
        folder,
        found=True,
        finished=finished,
        ids={entries[name] for name in names},
        names=names,
        damaged={name: reason for name, reason in damage.items() if name in names},
    )


def _whole(folder: Path, *, table: bool, classes: int) -> tuple[dict[str, int], dict[str, str]]:
    """Name -> image id of each frame that images.json lists and whose boxes are all in the other files; its damage."""
    boxes = Counter(entry["image_id"] for entry in _entries(folder / BOXES) if _is_box(entry, classes))
    rows = Counter(row[0] for row in _rows(folder / TABLE))
    found: dict[str, int] = {}
    damage: dict[str, str] = {}
    for entry in _entries(folder / IMAGES):
        try:
            name, image_id, count = str(entry["file_name"]), _number(entry["id"]), _number(entry["boxes"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / IMAGES) from error
        if boxes[image_id] == count and (not table or rows[name] == count):
            found[name] = image_id
            if entry.get("damaged"):
                damage[name] = str(entry["damaged"])
    return found, damage


def _number(value: object) -> int:
    """Return ``value`` as a whole number.

    Raises:
        TypeError, ValueError: It is none.
    """
    if not isinstance(value, int | float | str):
        raise TypeError(f"a {type(value).__name__} is not a number")
    return int(value)


def _is_box(entry: Mapping[str, object], classes: int) -> bool:
    number, image_id = entry.get("category_id"), entry.get("image_id")
    return isinstance(image_id, int) and isinstance(number, int) and 0 <= number < classes


def _state_of(file: Path) -> str:
    """What tells a file from another one of its name: inode, size and modification time; empty where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _older(file: Path, began: int) -> bool:
    """Whether neither the file's content nor anything else of it was changed since."""
    try:
        return file.stat().st_ctime_ns < began
    except OSError:
        return False


def damaged(file: Path) -> HooklineError:
    """The error for a file of an interrupted run that cannot be read."""
    return HooklineError(f"'{file}' is damaged", "leave resume=true out to start again")


def _entries(file: Path) -> Iterator[dict[str, object]]:
    if file.is_file():
        yield from (entry for entry in json_entries(file) if isinstance(entry, dict))


def _rows(file: Path) -> Iterator[list[str]]:
    if file.is_file():
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            yield from (row for row in csv.reader(_ended(lines)) if len(row) == len(CSV_COLUMNS))


def _ended(lines: Iterable[str]) -> Iterator[str]:
    """All lines but a last one that was cut off."""
    former = ""
    for line in lines:
        if former:
            yield former
        former = line
    if former.endswith("\n"):
        yield former
