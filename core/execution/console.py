"""Output to the user: results on standard output; progress, notes, warnings and errors on standard error.

On a terminal, rich draws progress bars. Otherwise progress is printed as lines, at most one every five seconds.
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
log.addHandler(logging.NullHandler())  # without a handler, logging would print to standard error

PLAIN_INTERVAL = 5.0
"""Minimum number of seconds between two progress lines."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_STREAMS: ContextVar[tuple[TextIO, TextIO] | None] = ContextVar("streams", default=None)
"""Streams of :func:`printing_to`: those for messages and for results."""


@contextmanager
def printing_to(stream: TextIO, results: TextIO) -> Iterator[None]:
    """Redirect consoles that are created in the block.

    Args:
        stream: In place of standard error.
        results: In place of standard output.
    """
    previous = _STREAMS.set((stream, results))
    try:
        yield
    finally:
        _STREAMS.reset(previous)


class ProgressWatcher(Protocol):
    """Receives progress and figures, e.g. :class:`core.execution.status.StatusWriter`."""

    def progress(self, title: str, total: int | None, unit: str) -> Progress:
        """Return the progress of a new task."""
        ...

    def figures(self, values: Mapping[str, float]) -> None:
        """Record the newest figures of the running stage."""
        ...


class Console:
    """The :class:`core.reporting.Reporter` of a run; keeps the warnings.

    Args:
        stream: Gets progress, notes, warnings and errors; None for standard error or the stream of :func:`printing_to`.
        results: Gets the results; None for standard output or the stream of :func:`printing_to`.
    """

    def __init__(self, stream: TextIO | None = None, results: TextIO | None = None) -> None:
        default = _STREAMS.get() or (sys.stderr, sys.stdout)
        self.stream = stream or default[0]
        self.results = results or default[1]
        self.warnings: list[str] = []
        self.watcher: ProgressWatcher | None = None
        self._live: RichProgress | None = None

    def result(self, message: str) -> None:
        """Print a result: one line or a table, possibly coloured."""
        self._print(message, self.results)

    def note(self, message: str) -> None:
        """Print one line of information."""
        self._print(message, self.stream)

    def warn(self, message: str) -> None:
        """Print a warning, once per message."""
        if message not in self.warnings:
            self.warnings.append(message)
            log.warning(message)
            self._write(_coloured(f"warning: {message}", "33", self.stream), self.stream)

    def error(self, message: str) -> None:
        """Print the error that ends the run."""
        log.error(message)
        self._write(_coloured(f"error: {message}", "31", self.stream), self.stream)

    def figures(self, values: Mapping[str, float]) -> None:
        """Pass figures to the watcher."""
        if self.watcher:
            self.watcher.figures(values)

    @contextmanager
    def progress(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        """Show progress while the block runs; a nested one is shown below."""
        with self._drawn(title, total, unit) as drawn:
            yield _WatchedProgress(drawn, self.watcher.progress(title, total, unit)) if self.watcher else drawn

    @contextmanager
    def _drawn(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        if not self.stream.isatty():
            plain = PlainProgress(self.note, title, total, unit)
            yield plain
            plain.close()
        elif self._live is not None:
            yield _RichBar(self._live, title, total, unit)
        else:
            with _rich_display() as live:
                self._live = live
                try:
                    yield _RichBar(live, title, total, unit)
                finally:
                    self._live = None

    def _print(self, message: str, stream: TextIO) -> None:
        plain = _COLOURS.sub("", message)
        log.info(plain)
        self._write(message if stream.isatty() else plain, stream)

    def _write(self, text: str, stream: TextIO) -> None:
        if self._live is not None and stream.isatty():
            from rich.text import Text

            self._live.console.print(Text.from_ansi(text), soft_wrap=True)  # above the progress bars
        else:
            print(text, file=stream, flush=True)


class SilentConsole(Console):
    """Console of a non-zero rank: prints only the error that ends its process."""

    def error(self, message: str) -> None:
        """Print the error that ends this process."""
        print(f"error: {message}", file=self.stream, flush=True)

    def _write(self, text: str, stream: TextIO) -> None:
        """Discard ``text``, which the leader prints."""

    @contextmanager
    def _drawn(self, title: str, total: int | None, unit: str) -> Iterator[Progress]:
        yield PlainProgress(ignore, title, total, unit)


class PlainProgress:
    """Progress as printed lines, at most one every :data:`PLAIN_INTERVAL` seconds."""

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
            self._print_line()

    def close(self) -> None:
        """Print the last line if there were steps that have not been printed."""
        if self._done and self._printed != self._done:
            self._print_line()

    def _print_line(self) -> None:
        self._printed = self._done
        seconds = max(time.monotonic() - self._start, 1e-9)
        of = f"/{self._total}" if self._total else ""
        rate = f", {self._done / seconds:.1f} {self._unit}/s" if self._unit else ""
        note = f", {self._note}" if self._note else ""
        self._write(f"  {self._title}: {self._done}{of}{rate}{note}")


class _WatchedProgress:
    """Progress that is drawn and passed to the watcher."""

    def __init__(self, drawn: Progress, watched: Progress) -> None:
        self._drawn, self._watched = drawn, watched

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._drawn.advance(steps, note)
        self._watched.advance(steps, note)


class _RichBar:
    """One progress bar of a live display."""

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
def _rich_display() -> Iterator[RichProgress]:
    """Yield a live display of progress bars; long titles and notes are cut to the width of the terminal."""
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
