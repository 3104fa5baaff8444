"""Capture what image libraries print to file descriptor 2, and find damage in it."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from core.files.standard_error import CLOSED, FIRST_FREE, STDERR, duplicate_stderr

ResultT = TypeVar("ResultT")


def captured(work: Callable[[], ResultT]) -> tuple[ResultT, tuple[str, ...]]:
    """Run ``work`` and return its result and the lines that image libraries wrote to descriptor 2 meanwhile.

    Args:
        work: A repeatable function: it is called again if lines appear while other threads are capturing too.
    """
    return _window.run(work)


class _Window:
    """Redirects descriptor 2 to a file in memory while at least one thread is capturing.

    Descriptor 2 shares the offset of that file, which is the number of bytes written; it is 0 while no thread captures.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._memory = CLOSED
        self._original = CLOSED
        self._inside = 0
        self._entries = 0
        self._waiting = 0  # threads that wait to capture alone, and that others must not overtake

    def run(self, work: Callable[[], ResultT]) -> tuple[ResultT, tuple[str, ...]]:
        start, entry, alone = self._enter()
        try:
            result = work()
        finally:
            with self._changed:
                alone = alone and self._entries == entry
                suspect = not alone and any(map(from_decoder, self._lines(start)))
                taken = self._leave()
        if suspect:
            return self._run_alone(work)
        return result, taken if alone else ()

    def _run_alone(self, work: Callable[[], ResultT]) -> tuple[ResultT, tuple[str, ...]]:
        with self._changed:
            self._waiting += 1
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._inside == 0)
                self._open()
            try:
                result = work()
            finally:
                with self._changed:
                    lines = self._leave()
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()
        return result, lines

    def _enter(self) -> tuple[int, int, bool]:
        """Return the bytes written so far, the number of this entry, and whether no other thread is capturing."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            start = self._written() if self._inside else 0
            self._open()
            return start, self._entries, self._inside == 1

    def _open(self) -> None:
        if not self._inside:
            if self._memory == CLOSED:
                created = os.memfd_create("stderr", os.MFD_CLOEXEC)
                self._memory = fcntl.fcntl(created, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
                os.close(created)
            self._original = duplicate_stderr()
            os.dup2(self._memory, STDERR)
        self._inside += 1
        self._entries += 1

    def _written(self) -> int:
        return os.lseek(self._memory, 0, os.SEEK_CUR)

    def _lines(self, start: int = 0) -> list[str]:
        """Return the lines written from this offset on."""
        size = self._written() - start
        if size <= 0:
            return []
        return os.pread(self._memory, size, start).decode("utf-8", "surrogateescape").splitlines(keepends=True)

    def _leave(self) -> tuple[str, ...]:
        """End the capture of a thread; the last one restores descriptor 2 and gets the lines of libraries."""
        self._inside -= 1
        if self._inside:
            return ()
        lines = self._lines()
        if self._original == CLOSED:
            os.close(STDERR)
        else:
            os.dup2(self._original, STDERR)
            self._pass_on(line for line in lines if line.strip() and not from_decoder(line))
            os.close(self._original)
        if lines:
            os.ftruncate(self._memory, 0)
            os.lseek(self._memory, 0, os.SEEK_SET)
        self._changed.notify_all()
        return tuple(line.rstrip() for line in lines if from_decoder(line))

    def _pass_on(self, lines: Iterable[str]) -> None:
        if text := "".join(lines):
            with suppress(OSError):
                os.write(self._original, text.encode("utf-8", "surrogateescape"))

    def before_fork(self) -> None:
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """Restore descriptor 2, as the child has no other threads, and share no file with the parent."""
        if self._inside and self._original != CLOSED:
            os.dup2(self._original, STDERR)
            os.close(self._original)
        elif self._inside:
            os.close(STDERR)
        if self._memory != CLOSED:
            os.close(self._memory)
        self.reset()


_window = _Window()
os.register_at_fork(
    before=_window.before_fork,
    after_in_parent=_window.after_fork_in_parent,
    after_in_child=_window.after_fork_in_child,
)


PADDING = 7
"""Maximum number of extraneous bytes in a JPEG that do not count as damage.

Hardware encoders write words of up to 64 bits, which leaves up to 7 bytes of padding before a marker. A decoder that
lost synchronization in damaged data usually reports more.
"""
LENGTH = 200
OPENCV = re.compile(r"^\[ ?(?P<level>[A-Z]+):\d+@[\d.]+\] global \S+ (?:TIFF_(?:Error|Warning) )?(?P<text>.*)")
"""A line of OpenCV's log, which includes a time."""
LIBRARIES = re.compile(
    r"libpng (warning|error): |Corrupt JPEG data: |Premature end of JPEG file|Invalid SOS parameters for sequential"
    r"|Inconsistent progression sequence|Unknown Adobe color transform|Warning: unknown JFIF revision"
    r"|Application transferred too (many|few) scanlines|Unsupported marker type|TIFF\w+: "
)
"""Start of a line of libjpeg, libpng or libtiff."""
EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker")
BENIGN = (
    # libpng: names of ancillary chunks start with a lowercase letter: color profiles, text, times, resolution.
    re.compile(r"libpng warning: [a-z][A-Za-z]{3}: "),
    re.compile(r"libpng warning: (?:IDAT: )?(?:Too much image|Extra compressed) data"),
    re.compile(r"Invalid SOS parameters for sequential JPEG"),  # common; a sequential decoder ignores these fields
    re.compile(r"Warning: unknown JFIF revision|Unknown Adobe color transform|Corrupt JPEG data: bad ICC marker"),
    # libtiff: tags that are unknown, out of order or of an unusual type; the pixels are not affected.
    re.compile(r"TIFF(?:ReadDirectory|ReadCustomDirectory|FetchNormalTag|ReadDirectoryCheckOrder): (?!.*[Ff]ailed)"),
)
"""Warnings that do not affect the pixels. They are discarded and do not count as damage."""
EXCEPTION = re.compile(r".*error: \([^)]*\) (?P<text>.*?)(?: in function '\w+')?$")
"""An OpenCV exception inside a line of its log."""
QUIET_LEVELS = {"INFO", "DEBUG", "VERB"}


def from_decoder(line: str) -> bool:
    """Return whether an image library wrote the line."""
    return bool(OPENCV.match(line) or LIBRARIES.match(line))


def damage_in(lines: Iterable[str]) -> str:
    """Return the first line that reports damage, without OpenCV's prefix; empty for none."""
    return next((text[:LENGTH] for line in lines if (text := _damage(line))), "")


def _damage(line: str) -> str:
    text, level = line.strip(), ""
    if found := OPENCV.match(text):
        text, level = found["text"].removeprefix("JPEGLib: "), found["level"]
    if level in QUIET_LEVELS or any(pattern.match(text) for pattern in BENIGN):
        return ""
    if (extraneous := EXTRANEOUS.match(text)) and int(extraneous[1]) <= PADDING:
        return ""
    return found["text"] if (found := EXCEPTION.match(text)) else text
