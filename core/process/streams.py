"""Standard streams that never raise an error: for any character, closed descriptor or disconnected reader."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from core.files.standard_error import private_stderr
from core.masking import masked

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2


class _Descriptor(io.FileIO):
    """A descriptor that becomes the null device at its first error, so that a run continues without a reader."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write ``content``; discard it if it cannot be written."""
        try:
            return super().write(content)
        except OSError as error:
            _report(self.fileno(), error)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(content).nbytes


class _Stream(io.TextIOWrapper):
    """A text stream that masks passwords."""

    def write(self, text: str, /) -> int:
        """Write ``text`` with passwords masked."""
        super().write(masked(text))
        return len(text)


def open_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that raise no errors.

    Characters that cannot be encoded are escaped. Output to a closed pipe or a full disk is discarded. A descriptor
    that the caller has closed becomes the null device; otherwise the next opened file would get its number. Standard
    error is a duplicate of descriptor 2, because the output of image libraries to descriptor 2 is captured.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    sys.stdout = text_stream(STDOUT, encoding)
    private = private_stderr()
    sys.stderr = text_stream(os.dup(private.fileno()), private.encoding)
    private.close()


def text_stream(descriptor: int, encoding: str) -> TextIO:
    """Return a text stream on a descriptor that raises no errors and masks passwords."""
    writer = io.BufferedWriter(_Descriptor(descriptor, "w", closefd=False))
    return _Stream(writer, encoding=encoding, errors="backslashreplace", line_buffering=True)


def _report(descriptor: int, error: OSError) -> None:
    """Print a warning that standard output has failed, unless the reader has closed the pipe."""
    if descriptor == STDOUT and error.errno != errno.EPIPE:
        print(f"warning: cannot write to standard output ({error.strerror})", file=sys.stderr)
