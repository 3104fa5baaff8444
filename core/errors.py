"""The one root of errors that a user can cause, and the form of values in messages.

A :class:`HooklineError` is printed as one line and ends the program with exit code 2. Every other
exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Sequence
from datetime import date
from enum import Enum
from itertools import islice
from pathlib import PurePath

from core.masking import masked

LONGEST_VALUE = 80
"""Characters of a value that a message repeats."""
LONGEST_LINE = 1000
"""Characters of a message. What is longer is cut in its middle."""
LONGEST_LIST = 130
"""Characters of a list of possible names that a message contains in full."""
MANY_NAMES = 2000
"""How many names are compared with a wrong one."""
SIMILAR = 0.6
"""How similar a name must be to be suggested, 0 to 1."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class HooklineError(Exception):
    """A user's mistake or an environment that cannot do what was asked. The run ends in one line with exit code 2.

    ``str(error)`` is that line: message and hint, separated by ``; ``, at most 1,000 characters; control characters are
    escaped and passwords masked. ``error.message``, ``error.hint`` and ``error.retry`` are the arguments.

    Args:
        message: What was wrong, with the offending value in the form of :func:`shown`. No full stop at the end.
        hint: What is possible and what to do, e.g. ``give a number above 0``.
        retry: Options with which the same command can succeed, e.g. ``("predict.on_error=skip",)``; the printed
            command that continues the run has them.
    """

    def __init__(self, message: str, hint: str = "", *, retry: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = retry

    def __str__(self) -> str:
        return one_line(f"{self.message}; {self.hint}" if self.hint else self.message)


class PlanError(HooklineError):
    """All problems of a plan at once; ``hookline.run``, ``build`` and ``open`` raise it, plugins do not.

    Args:
        problems: The errors. ``error.problems`` holds them; the command prints a line for each.
    """

    def __init__(self, problems: Sequence[HooklineError]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnavailableError(HooklineError):
    """A package, library or device is missing here, or cannot do what was asked. Arguments as of ``HooklineError``."""


class _Brief(reprlib.Repr):
    """A ``repr`` with bounded time and length: that of what YAML or a pickle builds can be endless."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 3, 4, 6, 6, 6
        self.maxstring = LONGEST_VALUE

    def repr_str(self, x: str, level: int) -> str:
        """Text with passwords masked: once it is cut, they cannot be told from other text."""
        return super().repr_str(masked(_cut(x, LONGEST_LINE)), level)

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        """Digits, or the number of bits where Python would refuse to print them."""
        return repr(x) if x.bit_length() <= 256 else f"<integer of {x.bit_length()} bits>"

    def repr_instance(self, x: object, level: int) -> str:  # noqa: ARG002
        """The text of simple values, the type of all others: their own ``repr`` may be endless."""
        if isinstance(x, bytes | bytearray):
            return repr(bytes(x[:LONGEST_VALUE]))
        simple = x is None or isinstance(x, bool | float | complex | date | Enum | PurePath)
        return repr(x) if simple else f"<{type(x).__name__}>"


def shown(value: object) -> str:
    """Return a value from outside as a message repeats it: at most 80 characters, whatever it is.

    Text stands in quotes, its control characters are escaped and its passwords masked. Nested values are cut. Use it
    for whatever comes from a user or a file, since the ``repr`` of such a value may be endless.

    Args:
        value: Of any type.
    """
    return _cut(_Brief().repr(value), LONGEST_VALUE)


def one_line(text: str) -> str:
    """Return a message as one line of at most :data:`LONGEST_LINE` characters.

    Control characters are escaped and passwords are masked.
    """
    text = masked(_cut(text, 4 * LONGEST_LINE))  # cut before the work that grows with the length
    return _cut(_CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], " ".join(text.split())), LONGEST_LINE)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 image``, ``2 images``, ``3 boxes``, ``1,203 classes``."""
    plural = "es" if noun.endswith(("s", "x", "tch", "sh")) else "s"
    return f"{count:,} {noun if count == 1 else noun + plural}"


def with_article(noun: str) -> str:
    """Return a noun with its article: ``a Checkpoint``, ``an Engine``."""
    return f"{'an' if noun[:1].lower() in set('aeio') else 'a'} {noun}"


def _cut(text: str, longest: int) -> str:
    """Return ``text`` without its middle where it is longer."""
    if len(text) <= longest:
        return text
    head = 2 * (longest - 3) // 3
    return f"{text[:head]}...{text[head + 3 - longest :]}"


def code_of(error: BaseException) -> str:
    """Return the code by which summary.json and status.json classify what ended a run. The codes are stable.

    Returns:
        ``interrupted`` (Ctrl-C or a signal), ``unavailable`` (a package, library or device that is missing or cannot do
        what was asked), ``user_error`` (anything else that a user can mend), ``internal_error`` (a bug).
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    problems = error.problems if isinstance(error, PlanError) else (error,)
    if problems and all(isinstance(problem, UnavailableError) for problem in problems):
        return "unavailable"
    return "user_error" if isinstance(error, HooklineError) else "internal_error"


def reason_of(error: BaseException) -> str:
    """Return why something ended, as summary.json reports it; never empty."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted by Ctrl-C"
    return one_line(str(error)) or type(error).__name__


def unknown(
    kind: str, name: object, possible: Iterable[str], others: Iterable[str] = (), *, listed: str = ""
) -> HooklineError:
    """Return the error for a name that is not registered, with the nearest names first.

    Args:
        kind: What the name is of, e.g. ``stage``.
        name: As it was given.
        possible: All names. They are listed in the message where that takes at most 130 characters.
        others: More names that may have been meant, never listed.
        listed: What lists all names where the message cannot, e.g. ``--help lists all``.
    """
    options = sorted(set(possible))
    meant = nearest(str(name), [*options, *others])
    question = f"did you mean {' or '.join(meant)}? " if meant else ""
    return HooklineError(f"unknown {kind} {shown(name)}", f"{question}{_listing(options, listed)}")


def nearest(name: str, options: Iterable[str]) -> list[str]:
    """Return at most three of the options that ``name`` may stand for, the most similar first."""
    given = name[:LONGEST_VALUE].lower()
    scores = {option: _likeness(given, option.lower()) for option in islice(options, MANY_NAMES)}
    close = [option for option, score in scores.items() if score >= max(SIMILAR, max(scores.values()) - 0.1)]
    return sorted(close, key=lambda option: (-scores[option], -_shared_start(given, option.lower())))[:3]


def _likeness(given: str, option: str) -> float:
    """How similar two names are, 0 to 1; the start of a long name may stand for it."""
    score = difflib.SequenceMatcher(None, given, option).ratio()
    if 3 <= len(given) < len(option):
        score = max(score, 0.95 * difflib.SequenceMatcher(None, given, option[: len(given)]).ratio())
    return score


def _shared_start(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _listing(options: Sequence[str], listed: str) -> str:
    names = ", ".join(options) or "none"
    if len(names) <= LONGEST_LIST:
        return f"possible: {names}"
    return listed or f"possible: {names[:LONGEST_LIST].rpartition(', ')[0]}, ... ({len(options)} in all)"
