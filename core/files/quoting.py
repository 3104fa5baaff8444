"""Quoting for Hydra's grammar and for shells, so that printed commands can be pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from core.masking import MASK, masked

_PLAIN = re.compile(
    r"(?!(?i:null|true|false|nan|inf)\Z)[a-z_][\w./:%+-]*|[\w.:%+-]*/[\w./:%+-]*", re.ASCII | re.IGNORECASE
)
"""Text that Hydra's grammar reads as a string without quotes: neither a number nor a keyword."""
_INVISIBLE = re.compile(r"(?<=\s)\s|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\udc80-\udcff]")
"""Characters that a terminal does not show, that messages escape or join, or that are not UTF-8."""


def hydra_quoted(text: str) -> str:
    """Return ``text`` as a string literal in Hydra's grammar; interpolations such as ``${x}`` are escaped."""
    if _PLAIN.fullmatch(text):
        return text
    literal = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)
    escaped = re.sub(r"\\+(?='|\Z)", lambda found: 2 * found[0], literal)  # other backslashes are literal
    return "'" + escaped.replace("'", r"\'") + "'"


def shell_word(word: str) -> str:
    """Return ``word`` quoted for a POSIX shell; invisible characters as ``$'...'`` for bash and zsh."""
    if _INVISIBLE.search(word):
        safe = word.replace("\\", r"\\").replace("'", r"\'")
        return "$'" + _INVISIBLE.sub(_escaped, safe) + "'"
    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def shell_line(words: Iterable[str]) -> str:
    """Return ``words`` as a command line for a POSIX shell."""
    return " ".join(map(shell_word, words))


def _escaped(sign: re.Match[str]) -> str:
    """Return the bytes of a character as octal escapes of three digits, the maximum length."""
    return "".join(f"\\{byte:03o}" for byte in sign[0].encode("utf-8", "surrogateescape"))


def command(overrides: Sequence[str]) -> str:
    """Return the shell command of a run; a comment mentions masked passwords."""
    line = shell_line(["python", "-m", "core.run", *overrides])
    shown = masked(line)
    return line if shown == line else f"{shown}  # replace {MASK} with the password"
