"""The root class of all user errors, and the form of values in messages.

A :class:`HooklineError` is printed as one line and ends the program with exit code 2. Every other exception is a bug
and keeps its traceback.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from enum import Enum
from itertools import islice
from pathlib import PurePath

from core.masking import masked

LONGEST_VALUE = 80
"""Maximum length of a value in a message."""
LONGEST_LINE = 1000
"""Maximum length of a message; longer ones are cut in the middle."""
LONGEST_LIST = 130
"""Maximum length of a list of possible names in a message; longer ones are cut."""
MAX_COMPARED = 2000
"""Maximum number of names that are compared with a wrong one."""
MIN_SIMILARITY = 0.6
"""Minimum similarity of a suggested name, 0 to 1."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class HooklineError(Exception):
    """An error that the user can fix. The run ends with one line and exit code 2.

    ``str(error)`` is that line: message and hint, separated by ``; ``, at most 1,000 characters. Control characters are
    escaped and passwords masked. ``error.message``, ``error.hint`` and ``error.retry`` are the arguments.

    Args:
        message: What is wrong, with the value in the form of :func:`shown`; without a full stop.
        hint: What is possible and what to do, e.g. ``give a number above 0``.
        retry: Options with which the same command can succeed, e.g. ``("predict.on_error=skip",)``. The printed resume
            command contains them.
    """

    def __init__(self, message: str, hint: str = "", *, retry: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = retry

    def __str__(self) -> str:
        return one_line(f"{self.message}; {self.hint}" if self.hint else self.message)


class PlanError(HooklineError):
    """All problems of a plan. Raised by ``hookline.run``, ``build`` and ``open``, not by plugins.

    Args:
        problems: The errors, also in ``error.problems``. The command prints one line for each.
    """

    def __init__(self, problems: Sequence[HooklineError]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnavailableError(HooklineError):
    """A package, library or device is missing or lacks a feature. Arguments as for ``HooklineError``."""


class _Brief(reprlib.Repr):
    """A ``repr`` with bounded time and length, since objects from YAML or a pickle can be arbitrarily large."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 3, 4, 6, 6, 6
        self.maxstring = LONGEST_VALUE

    def repr_str(self, x: str, level: int) -> str:
        """Mask passwords before the text is cut, while they can be recognised."""
        return super().repr_str(masked(_cut(x, LONGEST_LINE)), level)

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        """Return the digits, or the number of bits of an integer that Python refuses to print."""
        return repr(x) if x.bit_length() <= 256 else f"<integer of {x.bit_length()} bits>"

    def repr_instance(self, x: object, level: int) -> str:  # noqa: ARG002
        """Return the ``repr`` of simple types, and the type name of all others."""
        if isinstance(x, bytes | bytearray):
            return repr(bytes(x[:LONGEST_VALUE]))
        simple = x is None or isinstance(x, bool | float | complex | date | Enum | PurePath)
        return repr(x) if simple else f"<{type(x).__name__}>"


def shown(value: object) -> str:
    """Return a value from a user or a file as text for a message, at most 80 characters long.

    Strings are quoted, with control characters escaped and passwords masked. Nested values are cut. Use it instead of
    ``repr``, which is not bounded in time and length.

    Args:
        value: Any object.
    """
    return _cut(_Brief().repr(value), LONGEST_VALUE)


def one_line(text: str) -> str:
    """Return a message as one line of at most :data:`LONGEST_LINE` characters.

    Control characters are escaped and passwords are masked.
    """
    text = masked(_cut(text, 4 * LONGEST_LINE))  # cut before the work that grows with the length
    return _cut(_CONTROL.sub(lambda sign: ascii(sign[0])[1:-1], " ".join(text.split())), LONGEST_LINE)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, e.g. ``1 image``, ``2 images``, ``3 boxes``, ``1,203 classes``."""
    plural = "es" if noun.endswith(("s", "x", "tch", "sh")) else "s"
    return f"{count:,} {noun if count == 1 else noun + plural}"


def listed(items: Sequence[str], limit: int) -> str:
    """Return the first items and the number of the others, e.g. ``a, b and 3 more``."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def with_article(noun: str) -> str:
    """Return a noun with its article, e.g. ``a Checkpoint``, ``an Engine``."""
    return f"{'an' if noun[:1].lower() in set('aeio') else 'a'} {noun}"


def _cut(text: str, longest: int) -> str:
    """Return ``text``, cut in the middle if it is too long."""
    if len(text) <= longest:
        return text
    head = 2 * (longest - 3) // 3
    return f"{text[:head]}...{text[head + 3 - longest :]}"


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause (or the error during whose handling it was raised), the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def code_of(error: BaseException) -> str:
    """Return the class of an error for summary.json and status.json. The codes are stable.

    Args:
        error: The exception that ended the run.

    Returns:
        ``interrupted`` (Ctrl-C or a signal), ``unavailable`` (a package, library or device is missing or lacks a
        feature), ``user_error`` (any other error that the user can fix), ``internal_error`` (a bug).
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    problems = error.problems if isinstance(error, PlanError) else (error,)
    if problems and all(isinstance(problem, UnavailableError) for problem in problems):
        return "unavailable"
    return "user_error" if isinstance(error, HooklineError) else "internal_error"


def reason_of(error: BaseException) -> str:
    """Return the message of an error for summary.json; never empty."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted by Ctrl-C"
    return one_line(str(error)) or type(error).__name__


def unknown(
    kind: str, name: object, possible: Iterable[str], others: Iterable[str] = (), *, listed: str = ""
) -> HooklineError:
    """Return the error for an unknown name, with similar names and a list of the possible ones.

    Args:
        kind: What the name denotes, e.g. ``stage``.
        name: The unknown name.
        possible: All valid names. The message lists them if they take at most 130 characters.
        others: Further names that can be suggested but are not listed.
        listed: The hint if the list is too long, e.g. ``--help lists all``.
    """
    options = sorted(set(possible))
    meant = nearest(str(name), [*options, *others])
    question = f"did you mean {' or '.join(meant)}? " if meant else ""
    return HooklineError(f"unknown {kind} {shown(name)}", f"{question}{_listing(options, listed)}")


def nearest(name: str, options: Iterable[str]) -> list[str]:
    """Return at most three options that are similar to ``name``, the most similar one first."""
    given = name[:LONGEST_VALUE].lower()
    scores = {option: _likeness(given, option.lower()) for option in islice(options, MAX_COMPARED)}
    lowest = max(MIN_SIMILARITY, max(scores.values(), default=0.0) - 0.1)
    close = [option for option, score in scores.items() if score >= lowest]
    return sorted(close, key=lambda option: (-scores[option], -_shared_start(given, option.lower())))[:3]


def _likeness(given: str, option: str) -> float:
    """Return the similarity of two names, 0 to 1. A prefix is similar, above all if ``given`` is one of ``option``."""
    from difflib import SequenceMatcher

    short, long = sorted((given, option), key=len)
    score = SequenceMatcher(None, given, option).ratio()
    if 3 <= len(short) < len(long):
        weight = 0.95 if short == given else 0.7
        score = max(score, weight * SequenceMatcher(None, short, long[: len(short)]).ratio())
    return score


def _shared_start(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _listing(options: Sequence[str], listed: str) -> str:
    names = ", ".join(options) or "none"
    if len(names) <= LONGEST_LIST:
        return f"possible: {names}"
    return listed or f"possible: {names[:LONGEST_LIST].rpartition(', ')[0]}, ... ({len(options)} in all)"
