"""What a person sees: results on standard output; progress, notes, warnings and errors on standard error.

On a terminal rich draws the progress; elsewhere plain lines are written, a few per minute.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TextIO

from core.reporting import ignore

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from core.reporting import Progress

log = logging.getLogger("hookline")
log.addHandler(logging.NullHandler())  # without a log file, logging would print to standard error by itself

PLAIN_INTERVAL = 5.0
"""Seconds between two plain progress lines."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


_STREAMS: ContextVar[tuple[TextIO, TextIO] | None] = ContextVar("streams", default=None)


@contextmanager
def printing_to(stream: TextIO, results: TextIO) -> Iterator[None]:
    """Let consoles that are made in the block print there instead of on standard error and standard output."""
    former = _STREAMS.set((stream, results))
    try:
        yield
    finally:
        _STREAMS.reset(former)


class ProgressWatcher(Protocol):
    """Follows progress and figures for other programs, see :class:`core.execution.status.StatusWriter`."""

    def progress(self, title: str, total: int | None, unit: str) -> Progress:
        """Begin a piece of work that counts its steps."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Keep the newest figures of the stage that runs."""
        ...


class Console:
    """Implements :class:`core.reporting.Reporter`; remembers the warnings.

    Args:
        stream: Gets progress, notes, warnings and errors; None for standard error, or what :func:`printing_to` says.
        results: Gets the results; None for standard output, or what :func:`printing_to` says.
    """

    def __init__(self, stream: TextIO | None = None, results: TextIO | None = None) -> None:
        usual = _STREAMS.get() or (sys.stderr, sys.stdout)
        self.stream = stream or usual[0]
        self.results = results or usual[1]
        self.warnings: list[str] = []
        self.watcher: ProgressWatcher | None = None
        self._live: RichProgress | None = None

    def result(self, message: str) -> None:
        """Print a result: one line, or a table, which may be coloured."""
        self._print(message, self.results)

    def note(self, message: str) -> None:
        """Print one line of information."""
        self._print(message, self.stream)

    def warn(self, message: str) -> None:
        """Print one line that must not be missed, once."""
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)
            self._write(_coloured(f"warning: {message}", "33", self.stream), self.stream)

    def error(self, message: str) -> None:
        """Print one line: why the run ends."""
        log.error(message)
        self._write(_coloured(f"error: {message}", "31", self.stream), self.stream)

    def figures(self, values: Mapping[str, float]) -> None:
        """Pass figures to programs that follow the run."""
        if self.watcher:
            self.watcher.figures(values)

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        """Show progress while the block runs; one within another is shown below it."""
        with self._drawn(title, total, unit) as drawn:
            yield _Both(drawn, self.watcher.progress(title, total, unit)) if self.watcher else drawn

    @contextmanager
    def _drawn(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        if not self.stream.isatty():
            plain = PlainProgress(self.note, title, total, unit)
            yield plain
            plain.close()
        elif self._live is not None:
            yield _RichLine(self._live, title, total, unit)
        else:
            with _rich() as live:
                self._live = live
                try:
                    yield _RichLine(live, title, total, unit)
                finally:
                    self._live = None

    def _print(self, message: str, stream: TextIO) -> None:
        plain = _COLOURS.sub("", message)
        log.info(plain)
        self._write(message if stream.isatty() else plain, stream)

    def _write(self, text: str, stream: TextIO) -> None:
        if self._live is not None and stream.isatty():
            from rich.text import Text

            self._live.console.print(Text.from_ansi(text), soft_wrap=True)  # above the bars, which stay whole
        else:
            print(text, file=stream, flush=True)


class SilentConsole(Console):
    """The console of a process that follows another one, which speaks for both, but for what ends this one."""

    def error(self, message: str) -> None:
        """Print one line: why this process ends."""
        print(f"error: {message}", file=self.stream, flush=True)

    def _write(self, text: str, stream: TextIO) -> None:
        """Nothing; the first process has printed ``text``."""

    @contextmanager
    def _drawn(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        yield PlainProgress(ignore, title, total, unit)


class PlainProgress:
    """Progress as lines, at most one every :data:`PLAIN_INTERVAL` seconds."""

    def __init__(self, write: Callable[[str], None], title: str, total: int | None, unit: str) -> None:
        self._write = write
        self._title, self._total, self._unit = title, total, unit
        self._done, self._printed = 0, -1
        self._start = self._last = time.monotonic()
        self._note = ""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count finished steps."""
        self._done += steps
        self._note = note or self._note
        if time.monotonic() - self._last >= PLAIN_INTERVAL:
            self._last = time.monotonic()
            self._line()

    def close(self) -> None:
        """Write the last line, where there was anything to count and it is not there yet."""
        if self._done and self._printed != self._done:
            self._line()

    def _line(self) -> None:
        self._printed = self._done
        seconds = max(time.monotonic() - self._start, 1e-9)
        of = f"/{self._total}" if self._total else ""
        rate = f", {self._done / seconds:.1f} {self._unit}/s" if self._unit else ""
        note = f", {self._note}" if self._note else ""
        self._write(f"  {self._title}: {self._done}{of}{rate}{note}")


class _Both:
    """Progress that is drawn and followed."""

    def __init__(self, drawn: Progress, followed: Progress) -> None:
        self._drawn, self._followed = drawn, followed

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._drawn.advance(steps, note)
        self._followed.advance(steps, note)


class _RichLine:
    """One bar among those of a live display. Its last state goes into the log when it ends."""

    def __init__(self, progress: RichProgress, title: str, total: int | None, unit: str) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task(title, total=total, note="", unit=unit)

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._progress.update(self._task, note=note)
        self._progress.advance(self._task, steps)


def _coloured(text: str, colour: str, stream: TextIO) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if stream.isatty() else text


@contextmanager
def _rich() -> Iterator[RichProgress]:
    """A live display whose lines are as wide as the terminal at most: titles and remarks are shortened."""
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed, unit = task.finished_speed or task.speed, task.fields["unit"]
            return Text(f"{speed:.1f} {unit}/s" if speed and unit else "")

    def fixed() -> Column:
        return Column(no_wrap=True)

    def flexible(ratio: int) -> Column:
        return Column(no_wrap=True, overflow="ellipsis", ratio=ratio)

    columns = (
        TextColumn("  {task.description}", table_column=flexible(2)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
        MofNCompleteColumn(table_column=fixed()),
        Speed(table_column=fixed()),
        TimeRemainingColumn(table_column=fixed()),
        TextColumn("{task.fields[note]}", table_column=flexible(3)),
    )
    with RichProgress(*columns, console=RichConsole(stderr=True), expand=True) as progress:
        yield progress
