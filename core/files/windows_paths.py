"""Paths that were written on Windows, in data.yaml files and lists: backslashes, and drives."""

from __future__ import annotations

import re
from collections.abc import Callable

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_BACKSLASH = "\\"
ESCAPE = "a backslash in double quotes begins an escape; write paths with '/'"


def existing(text: str, exists: Callable[[str], bool]) -> str | None:
    """Return ``text``, or else ``text`` with ``/`` for each backslash, if ``exists`` returns True; otherwise None.

    A name with a backslash is possible here, so the text as written comes first.
    """
    if exists(text):
        return text
    written = text.replace(_BACKSLASH, "/")
    return written if written != text and exists(written) else None


def hint(text: str, otherwise: str) -> str:
    """Return what to do about a path that does not exist, e.g. about its drive; ``otherwise`` for a usual path."""
    if any(ord(letter) < 32 for letter in text):  # "images\val" has a vertical tab
        return ESCAPE
    if _DRIVE.match(text):
        return "it begins with a drive or server of Windows, which this machine does not have; write a relative path"
    return otherwise
