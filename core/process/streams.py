"""Standard output and standard error: no character, no reader that has gone and no closed descriptor ends a run."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from core.masking import masked
from core.media.native_output import private_stderr

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2


class _Descriptor(io.FileIO):
    """A descriptor that becomes the null device at its first error: a run continues without a reader."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write, or forget ``content`` where it cannot be written."""
        try:
            return super().write(content)
        except OSError as error:
            _report(self.fileno(), error)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(content).nbytes


class _Stream(io.TextIOWrapper):
    """Text without passwords."""

    def write(self, text: str, /) -> int:
        """Write ``text`` with passwords masked."""
        super().write(masked(text))
        return len(text)


def open_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that raise nothing.

    What cannot be encoded is escaped. Where the reader of a pipe has gone, or the file is on a full disk, the rest is
    dropped. A descriptor that the caller closed becomes the null device: the next file would take its number.
    Standard error is a duplicate of descriptor 2, which image libraries write to and which is watched while they work.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    sys.stdout = text_stream(STDOUT, encoding)
    private = private_stderr()
    sys.stderr = text_stream(os.dup(private.fileno()), private.encoding)
    private.close()


def text_stream(descriptor: int, encoding: str) -> TextIO:
    """Return a text stream on a descriptor that raises nothing and prints no password."""
    writer = io.BufferedWriter(_Descriptor(descriptor, "w", closefd=False))
    return _Stream(writer, encoding=encoding, errors="backslashreplace", line_buffering=True)


def _report(descriptor: int, error: OSError) -> None:
    """Say on standard error why standard output ends; a reader that has gone asked for no more."""
    if descriptor == STDOUT and error.errno != errno.EPIPE:
        print(f"warning: standard output cannot be written ({error.strerror})", file=sys.stderr)
