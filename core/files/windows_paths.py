"""Paths that were written on Windows or by hand, in data.yaml files and lists: backslashes, drives, missing blanks."""

from __future__ import annotations

import re
from collections.abc import Callable

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_BACKSLASH = "\\"
_NO_BLANK = re.compile(r"^(\w{1,40}):[^\s:]", re.MULTILINE)
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


def yaml_hint(problem: str, text: str) -> str:
    """Return what to do about a problem that PyYAML found in the text of a file."""
    if "escape" in problem or "hexdec" in problem:
        return ESCAPE
    if "mapping values" in problem and (match := _NO_BLANK.search(text)):
        return f"a blank is missing after '{match[1]}:' in line {text.count(chr(10), 0, match.start()) + 1}"
    return "correct the file"
