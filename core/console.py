"""What a person sees: one line a stage, progress, notes and warnings.

On a terminal rich draws the progress; elsewhere plain lines are written, a few a minute.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from core.context import Progress

log = logging.getLogger("hookline")
log.addHandler(logging.NullHandler())  # where a run keeps no log file, nothing is told twice

PLAIN_INTERVAL = 5.0
"""Seconds between two plain progress lines."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Console:
    """Implements :class:`core.context.Reporter` on standard error; remembers the warnings."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        """One line (or a small table, which may be coloured) of information."""
        plain = _COLOURS.sub("", message)
        log.info(plain)
        self._write(message if self.stream.isatty() else plain)

    def warn(self, message: str) -> None:
        """One line that must not be missed; told once."""
        log.warning(message)
        if message not in self.warnings:
            self.warnings.append(message)
            self._write(self._coloured(f"warning: {message}", "33"))

    def error(self, message: str) -> None:
        """One line: why the run ends."""
        log.error(message)
        self._write(self._coloured(f"error: {message}", "31"))

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        """A progress line while the block runs."""
        if self.stream.isatty():
            with _rich(title, total, unit) as progress:
                yield progress
        else:
            plain = PlainProgress(self._write, title, total, unit)
            yield plain
            plain.close()

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.stream.isatty() else text

    def _write(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class SilentConsole(Console):
    """The console of a process that follows another one, which speaks for both, but for what ends this one."""

    def error(self, message: str) -> None:
        """One line: why this process ends."""
        print(f"error: {message}", file=self.stream, flush=True)

    def _write(self, text: str) -> None:
        """Nothing; ``text`` is in the log of the first process."""

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        """A progress nobody sees."""
        yield PlainProgress(self._write, title, total, unit)


class PlainProgress:
    """Progress as lines, at most one every :data:`PLAIN_INTERVAL` seconds."""

    def __init__(self, write: Callable[[str], None], title: str, total: int | None, unit: str) -> None:
        self._write = write
        self._title, self._total, self._unit = title, total, unit
        self._done = 0
        self._start = self._last = time.monotonic()
        self._note = ""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more are done."""
        self._done += steps
        self._note = note or self._note
        if time.monotonic() - self._last >= PLAIN_INTERVAL:
            self._last = time.monotonic()
            self._line()

    def close(self) -> None:
        """The last line, where there was anything to count."""
        if self._done:
            self._line()

    def _line(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-9)
        of = f"/{self._total}" if self._total else ""
        rate = f", {self._done / seconds:.1f} {self._unit}/s" if self._unit else ""
        note = f", {self._note}" if self._note else ""
        self._write(f"  {self._title}: {self._done}{of}{rate}{note}")


class _RichLine:
    def __init__(self, progress: RichProgress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._progress.update(self._task, note=note)
        self._progress.advance(self._task, steps)


@contextmanager
def _rich(title: str, total: int | None, unit: str) -> Iterator[Progress]:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f} {unit}/s" if speed and unit else "")

    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=RichConsole(stderr=True)) as progress:
        yield _RichLine(progress, progress.add_task(title, total=total, note=""))
