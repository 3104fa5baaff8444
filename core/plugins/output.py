"""What code of a plugin prints: standard output is for results, so it goes to standard error with the plugin's name."""

from __future__ import annotations

import io
import logging
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
"""Bytes after which a line without an end is printed."""
KEPT = 65536
"""Bytes that are repeated of what one call writes to the descriptors; what follows is dropped."""
log = logging.getLogger("hookline")


class _PrefixedLines(io.RawIOBase):
    """Prints each complete line on a stream, and in run.log, after the plugin's name.

    It stays usable after the call, because a plugin can keep it, e.g. in a handler of ``logging``.
    """

    def __init__(self, plugin: str, target: TextIO) -> None:
        super().__init__()
        self.plugin = plugin
        self.target = target
        self.held: list[bytes] | None = None
        """Lines that wait until the descriptors are as before; None: each is printed at once."""
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
        """Print a line that has no end, and what was held."""
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
            log.info("[%s] %s", self.plugin, text)
            print(f"[{self.plugin}] {text}", file=self.target, flush=True)


class _NamedStream(io.TextIOWrapper):
    """Takes the place of ``sys.stdout`` and ``sys.stderr`` while code of a plugin runs."""

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
    """Name everything that the block prints or writes to the descriptors 1 and 2. For short calls."""
    if not _can_redirect():
        yield
        return
    stream = _NamedStream(plugin, sys.stderr)
    stream.lines.held = []
    with _replaced(stream, stream), _descriptors(stream):
        yield


@contextmanager
def results_kept_apart(plugin: str) -> Iterator[None]:
    """Print on standard error, with the plugin's name, what the block prints on standard output. For long work."""
    if not _can_redirect():
        yield
        return
    with _replaced(_NamedStream(plugin, sys.stderr), None), _redirected(STDOUT, STDERR):
        yield


def _can_redirect() -> bool:
    """Streams and descriptors belong to the whole process: the main thread alone changes them, where there are any."""
    return threading.current_thread() is threading.main_thread() and None not in {sys.stdout, sys.stderr}


@contextmanager
def _replaced(stdout: _NamedStream, stderr: _NamedStream | None) -> Iterator[None]:
    former = sys.stdout, sys.stderr
    for stream in former:
        stream.flush()
    sys.stdout, sys.stderr = stdout, stderr or sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former
        stdout.finish()


@contextmanager
def _descriptors(stream: _NamedStream) -> Iterator[None]:
    """Collect what is written to the descriptors, by libraries and other processes, and print it afterwards."""
    with os.fdopen(os.memfd_create("plugin-output"), "w+b", buffering=0) as memory:
        try:
            with _redirected(STDOUT, memory.fileno()), _redirected(STDERR, memory.fileno()):
                yield
        finally:
            memory.seek(0)
            stream.buffer.write(memory.read(KEPT))
            stream.flush()


@contextmanager
def _redirected(descriptor: int, target: int) -> Iterator[None]:
    former = os.dup(descriptor)
    try:
        os.dup2(target, descriptor)
        yield
    finally:
        os.dup2(former, descriptor)
        os.close(former)
