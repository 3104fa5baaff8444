"""What an interrupted run has finished, read from its files, so that a resumed one continues after it."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.digest import text_digest
from core.errors import HooklineError
from core.media.source import Source, SourceKind
from core.output_paths import write_file
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
    """

    folder: Path
    found: bool = False
    finished: Mapping[str, int] = field(default_factory=dict)
    ids: Collection[int] = frozenset()
    names: Collection[str] = frozenset()

    def images(self) -> Iterator[Any]:
        """Entries of ``images.json`` that stay."""
        return (entry for entry in _entries(self.folder / IMAGES) if entry.get("file_name") in self.names)

    def boxes(self) -> Iterator[Any]:
        """Entries of ``predictions.json`` that stay: a killed run may have written boxes of an unfinished frame."""
        return (entry for entry in _entries(self.folder / BOXES) if entry.get("image_id") in self.ids)

    def rows(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv`` that stay."""
        return (row for row in _rows(self.folder / TABLE) if row[0] in self.names)


class State:
    """The file that remembers the source, when the work began, and which videos are finished.

    Args:
        folder: The stage's directory.
        source: What is read.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._path = folder / STATE
        self._content: dict[str, Any] = {
            "files": len(source.files),
            "source": text_digest("\n".join(source.names)),
            "began": time.time_ns(),
            "finished": {},
        }

    @property
    def began(self) -> int:
        """When the first run began, nanoseconds: what was changed later is run again."""
        began: int = self._content["began"]
        return began

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
            finished = {str(name): int(frames) for name, frames in former["finished"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self._path) from error
        if source != self._content["source"]:
            raise HooklineError(
                f"the interrupted run in '{self._path.parent}' had another source, of {files} files; now it has "
                f"{self._content['files']}",
                "give the same files, or leave resume=true out to start again",
            )
        self._content |= {"began": began, "finished": finished}
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


def read_former(state: State, folder: Path, source: Source, *, table: bool) -> Former:
    """Read what is finished: what all files agree on, of sources that have not changed since.

    Args:
        state: What is known of the interrupted run.
        folder: Its directory.
        source: What is read.
        table: Whether ``predictions.csv`` belongs to the results.

    Raises:
        HooklineError: As :meth:`State.read`.
    """
    videos = state.read()
    if videos is None:
        return Former(folder)
    entries = _whole(folder, table=table)
    if source.kind is SourceKind.pictures:
        files = {name: [name] for name in entries}
    else:
        files = {name: [] for name in videos}
        for frame in entries:
            files.get(frame.rpartition("#")[0], []).append(frame)
        files = {name: frames for name, frames in files.items() if len(frames) == videos[name]}
    places = dict(zip(source.names, source.files, strict=True))
    files = {name: frames for name, frames in files.items() if _unchanged(places.get(name), state.began)}
    if source.kind is SourceKind.pictures:
        finished = {name: index + 1 for index, name in enumerate(source.names) if name in files}
    else:
        finished = {name: max(entries[frame] for frame in frames) for name, frames in files.items() if frames}
    names = {frame for frames in files.values() for frame in frames}
    return Former(folder, found=True, finished=finished, ids={entries[name] for name in names}, names=names)


def _whole(folder: Path, *, table: bool) -> dict[str, int]:
    """Name -> image id of each frame that images.json lists and whose boxes are all in the other files."""
    boxes = Counter(entry.get("image_id") for entry in _entries(folder / BOXES))
    rows = Counter(row[0] for row in _rows(folder / TABLE))
    found: dict[str, int] = {}
    for entry in _entries(folder / IMAGES):
        try:
            name, image_id, count = str(entry["file_name"]), int(entry["id"]), int(entry["boxes"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / IMAGES) from error
        if boxes[image_id] == count and (not table or rows[name] == count):
            found[name] = image_id
    return found


def _unchanged(file: Path | None, began: int) -> bool:
    """Whether a file of the source is as it was when the interrupted run began."""
    try:
        return file is not None and file.stat().st_ctime_ns < began
    except OSError:
        return False


def damaged(file: Path) -> HooklineError:
    """The error for a file of an interrupted run that cannot be read."""
    return HooklineError(f"'{file}' is damaged", "leave resume=true out to start again")


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    if file.is_file():
        yield from (entry for entry in json_entries(file) if isinstance(entry, dict))


def _rows(file: Path) -> Iterator[list[str]]:
    if file.is_file():
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            whole = (line for line in lines if line.endswith("\n"))
            yield from (row for row in csv.reader(whole) if len(row) == len(CSV_COLUMNS))
