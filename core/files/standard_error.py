"""Duplicates of file descriptor 2, which keep working while the descriptor itself is redirected."""

from __future__ import annotations

import fcntl
import os
from typing import TextIO

STDERR, FIRST_FREE = 2, 3
CLOSED = -1
"""In place of a duplicate: descriptor 2 is closed."""


def private_stderr() -> TextIO:
    """Return a text stream on a duplicate of file descriptor 2, open for the rest of the process.

    Lines written to it reach the terminal while descriptor 2 itself is redirected; they are discarded if it is closed.
    """
    descriptor = duplicate_stderr()
    target = os.devnull if descriptor == CLOSED else descriptor
    return open(target, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: PTH123


def duplicate_stderr() -> int:
    """Return a duplicate of descriptor 2 that is not one of the standard descriptors, or :data:`CLOSED`."""
    try:
        return fcntl.fcntl(STDERR, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    except OSError:
        return CLOSED
