"""Text as Hydra's grammar takes it, and words as a shell takes them: every printed command can be pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence

from core.masking import MASK, masked

_PLAIN = re.compile(
    r"(?!(?i:null|true|false|nan|inf)\Z)[a-z_][\w./:%+-]*|[\w.:%+-]*/[\w./:%+-]*", re.ASCII | re.IGNORECASE
)
"""What Hydra's grammar reads as text without quotes: no number, no keyword."""
_UNSEEN = re.compile(r"(?<=\s)\s|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\udc80-\udcff]")
"""Characters that a terminal does not show, that a message escapes or joins, or that are not UTF-8."""


def hydra_quoted(text: str) -> str:
    """Return ``text`` as a value in Hydra's grammar that means this text and nothing else.

    Interpolations are escaped too: ``${x}`` is a name that happens to look like one.
    """
    if _PLAIN.fullmatch(text):
        return text
    literal = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)
    escaped = re.sub(r"\\+(?='|\Z)", lambda found: 2 * found[0], literal)  # backslashes elsewhere are plain
    return "'" + escaped.replace("'", r"\'") + "'"


def shell_word(word: str) -> str:
    """Return ``word`` for a POSIX shell; those that cannot be typed stand as bash and zsh write them: ``$'...'``."""
    if _UNSEEN.search(word):
        safe = word.replace("\\", r"\\").replace("'", r"\'")
        return "$'" + _UNSEEN.sub(_escaped, safe) + "'"
    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def shell_line(words: Iterable[str]) -> str:
    """Return the command line of ``words``."""
    return " ".join(map(shell_word, words))


def _escaped(sign: re.Match[str]) -> str:
    """Return the bytes of a character; three octal digits end by themselves, whatever follows."""
    return "".join(f"\\{byte:03o}" for byte in sign[0].encode("utf-8", "surrogateescape"))


def command(overrides: Sequence[str]) -> str:
    """Return the shell command of a run; a password in it is masked, and a comment says so."""
    line = shell_line(["python", "-m", "core.run", *overrides])
    shown = masked(line)
    return line if shown == line else f"{shown}  # put the password in for {MASK}"
