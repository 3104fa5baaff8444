"""Print the output of plugin code on standard error with the plugin's name; standard output is for results."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from core.errors import one_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT, STDERR = 1, 2
LONGEST_LINE = 8192
"""Maximum length of a printed line in bytes; a longer line is split."""
MAX_COLLECTED = 65536
"""Maximum number of printed bytes that one call writes to the descriptors; further bytes are dropped."""


class _PrefixedLines(io.RawIOBase):
    """Prints each complete line with the plugin's name to a stream and to run.log.

    It remains usable after the call, because a plugin can keep it, e.g. in a handler of ``logging``.
    """

    def __init__(self, plugin: str, target: TextIO) -> None:
        super().__init__()
        self.plugin = plugin
        self.target = target
        self.held: list[bytes] | None = None
        """Lines to print after the descriptors are restored; None: each line is printed at once."""
        self._rest = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return STDERR

    def write(self, content: ReadableBuffer, /) -> int:
        data = bytes(content)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line)
        return len(data)

    def finish(self) -> None:
        """Print the held lines and the incomplete last line."""
        held, self.held = [*(self.held or ()), self._rest], None
        self._rest = b""
        for line in held:
            self._print(line)

    def _take(self, line: bytes) -> None:
        if self.held is None:
            self._print(line)
        else:
            self.held.append(line)

    def _print(self, line: bytes) -> None:
        if text := one_line(line.decode("utf-8", "backslashreplace")):
            import logging

            logging.getLogger("hookline").info("[%s] %s", self.plugin, text)
            print(f"[{self.plugin}] {text}", file=self.target, flush=True)


class _NamedStream(io.TextIOWrapper):
    """Replaces ``sys.stdout`` and ``sys.stderr`` during a call of plugin code."""

    def __init__(self, plugin: str, target: TextIO) -> None:
        self.lines: _PrefixedLines = _PrefixedLines(
            plugin, target.lines.target if isinstance(target, _NamedStream) else target
        )
        super().__init__(io.BufferedWriter(self.lines), "utf-8", errors="backslashreplace", line_buffering=True)

    def finish(self) -> None:
        self.flush()
        self.lines.finish()


@contextmanager
def output_of(plugin: str) -> Iterator[None]:
    """Print the output of the block, descriptors 1 and 2 included, with the plugin's name. For short calls."""
    if not _can_redirect():
        yield
        return
    stream = _NamedStream(plugin, sys.stderr)
    stream.lines.held = []
    with _replaced(stream, stream), _descriptors(stream):
        yield


@contextmanager
def results_kept_apart(plugin: str) -> Iterator[None]:
    """Redirect standard output of the block to standard error, with the plugin's name. For long calls."""
    if not _can_redirect():
        yield
        return
    with _replaced(_NamedStream(plugin, sys.stderr), None), _redirected(STDOUT, STDERR):
        yield


def _can_redirect() -> bool:
    """Return whether this is the main thread, which alone may redirect streams, and the streams exist."""
    return threading.current_thread() is threading.main_thread() and None not in {sys.stdout, sys.stderr}


@contextmanager
def _replaced(stdout: _NamedStream, stderr: _NamedStream | None) -> Iterator[None]:
    previous = sys.stdout, sys.stderr
    for stream in previous:
        stream.flush()
    sys.stdout, sys.stderr = stdout, stderr or sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = previous
        stdout.finish()


@contextmanager
def _descriptors(stream: _NamedStream) -> Iterator[None]:
    """Collect the bytes that libraries and subprocesses write to the descriptors, and print them at the end."""
    with os.fdopen(os.memfd_create("plugin-output"), "w+b", buffering=0) as memory:
        try:
            with _redirected(STDOUT, memory.fileno()), _redirected(STDERR, memory.fileno()):
                yield
        finally:
            memory.seek(0)
            stream.buffer.write(memory.read(MAX_COLLECTED))
            stream.flush()


@contextmanager
def _redirected(descriptor: int, target: int) -> Iterator[None]:
    previous = os.dup(descriptor)
    try:
        os.dup2(target, descriptor)
        yield
    finally:
        os.dup2(previous, descriptor)
        os.close(previous)
