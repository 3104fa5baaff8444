"""The file that records the source of a run and its finished videos, while the run is incomplete."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from core.errors import HooklineError, counted
from core.files.paths import write_file
from core.media.source import Source
from core.storage.digest import text_digest

STATE = ".progress.json"
"""Name of the file; it is removed when the results are complete."""


class _Content(TypedDict):
    files: int
    source: str
    began: int
    content: list[str]
    finished: dict[str, int]


class ResumeState:
    """The state of a run: its source, when it began, and which videos are finished.

    Args:
        folder: The stage's directory.
        source: The source of this run.
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
        """Return the names of the files that have not changed since the interrupted run began; they may have moved."""
        rows = zip(self._source.names, self._source.files, self._now, self._content["content"], strict=True)
        return {name for name, file, now, previous in rows if now == previous and _older(file, self._content["began"])}

    def read(self) -> Mapping[str, int] | None:
        """Continue with the state of an interrupted run.

        Returns:
            Name of each finished video -> number of its frames; None without an interrupted run.

        Raises:
            HooklineError: The interrupted run had another source, or the file is damaged.
        """
        if not self._path.is_file():
            return None
        try:
            previous = json.loads(self._path.read_text(encoding="utf-8"))
            files, source, began = int(previous["files"]), str(previous["source"]), int(previous["began"])
            content = [str(state) for state in previous["content"]]
            finished = {str(name): int(frames) for name, frames in previous["finished"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged_file(self._path) from error
        if source != self._content["source"]:
            raise HooklineError(
                f"the interrupted run in '{self._path.parent}' had another source: {counted(files, 'file')}, "
                f"now {self._content['files']}",
                "give the same files, or omit resume=true to start again",
            )
        if len(content) != len(self._now):
            raise damaged_file(self._path)
        self._content.update({"began": began, "content": content, "finished": finished})
        return finished

    def write(self) -> None:
        """Write the file."""
        write_file(self._path, json.dumps(self._content).encode())

    def finish(self, name: str, frames: int) -> None:
        """Record a finished video.

        Args:
            name: Its name in the source.
            frames: Number of its frames that were processed.
        """
        self._content["finished"][name] = frames
        self.write()

    def remove(self) -> None:
        """Remove the file: the run is complete."""
        self._path.unlink(missing_ok=True)


def damaged_file(file: Path) -> HooklineError:
    """Return the error for a file of an interrupted run that cannot be read."""
    return HooklineError(f"'{file}' is damaged", "omit resume=true to start again")


def _state_of(file: Path) -> str:
    """Return inode, size and modification time, which identify the content of a file; empty for a missing file."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _older(file: Path, began: int) -> bool:
    """Return whether content and metadata of a file were last changed before ``began``."""
    try:
        return file.stat().st_ctime_ns < began
    except OSError:
        return False
