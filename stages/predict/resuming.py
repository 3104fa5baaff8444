"""What an interrupted run has finished, read from its files, so that a resumed one continues after it."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.digest import text_digest
from core.errors import HooklineError
from core.media.source import Source, SourceKind
from core.output_paths import write_file
from stages.predict.live_text import json_entries
from stages.predict.records import BOXES, IMAGES, TABLE

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
        return (entry for entry in _entries(self.folder / IMAGES) if entry["file_name"] in self.names)

    def boxes(self) -> Iterator[Any]:
        """Entries of ``predictions.json`` that stay: a killed run may have written boxes of an unfinished frame."""
        return (entry for entry in _entries(self.folder / BOXES) if entry["image_id"] in self.ids)

    def rows(self) -> Iterator[list[str]]:
        """Rows of ``predictions.csv`` that stay."""
        file = self.folder / TABLE
        if self.names and file.is_file():
            with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
                yield from (row for row in csv.reader(lines) if row and row[0] in self.names)


class State:
    """The file that remembers which videos are finished.

    Args:
        folder: The stage's directory.
        source: What is read.
    """

    def __init__(self, folder: Path, source: Source) -> None:
        self._path = folder / STATE
        self._content: dict[str, Any] = {
            "files": len(source.files),
            "source": text_digest("\n".join(source.names)),
            "finished": {},
        }

    def read(self) -> Mapping[str, int] | None:
        """Take over what an interrupted run has left: the finished videos; None where no run has left anything.

        Raises:
            HooklineError: It had another source, or the file is damaged.
        """
        if not self._path.is_file():
            return None
        try:
            former = json.loads(self._path.read_text(encoding="utf-8"))
            files, source = int(former["files"]), str(former["source"])
            finished = {str(name): int(after) for name, after in former["finished"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self._path) from error
        if source != self._content["source"]:
            raise HooklineError(
                f"the interrupted run in '{self._path.parent}' had another source, of {files} files; now it has "
                f"{self._content['files']}",
                "give the same source, or leave resume=true out to start again",
            )
        self._content["finished"] = finished
        return finished

    def write(self) -> None:
        """Write the file."""
        write_file(self._path, json.dumps(self._content).encode())

    def finish(self, name: str, after: int) -> None:
        """Remember that a file of the source is finished.

        Args:
            name: Its name in the source.
            after: Index after its last frame.
        """
        self._content["finished"][name] = after
        self.write()

    def remove(self) -> None:
        """Nothing is left to resume."""
        self._path.unlink(missing_ok=True)


def read_former(state: State, folder: Path, source: Source) -> Former:
    """Read what is finished; empty where no run has left anything.

    Raises:
        HooklineError: As :meth:`State.read`.
    """
    videos = state.read()
    if videos is None:
        return Former(folder)
    numbers = {name: index for index, name in enumerate(source.names)}
    finished, ids, names = dict(videos), set[int](), set[str]()
    for entry in _entries(folder / IMAGES):
        try:
            image_id, name = int(entry["id"]), str(entry["file_name"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(folder / IMAGES) from error
        if source.kind is SourceKind.pictures and name in numbers:
            finished[name] = numbers[name] + 1
        elif name.rpartition("#")[0] not in videos:
            continue
        ids.add(image_id)
        names.add(name)
    return Former(folder, found=True, finished=finished, ids=ids, names=names)


def damaged(file: Path) -> HooklineError:
    """The error for a file of an interrupted run that cannot be read."""
    return HooklineError(f"'{file}' is damaged", "leave resume=true out to start again")


def _entries(file: Path) -> Iterator[Any]:
    if file.is_file():
        yield from json_entries(file)
