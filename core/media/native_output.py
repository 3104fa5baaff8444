"""What native libraries write to file descriptor 2, kept apart from the program's own lines."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def private_stderr() -> TextIO:
    """Return a text stream on a duplicate of file descriptor 2, open for the rest of the process.

    Lines written to it reach the terminal also while the descriptor itself points elsewhere. Where descriptor 2 is
    closed, lines go nowhere.
    """
    try:
        descriptor = os.dup(2)
    except OSError:
        return sys.__stderr__ or io.StringIO()
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: PTH123
