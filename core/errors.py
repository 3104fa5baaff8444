"""The one root of errors a user can cause, and the words they are told in.

A :class:`HooklineError` is printed as one line and ends the program with exit code 2. Every other
exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class HooklineError(Exception):
    """A user's mistake or an environment that cannot do what was asked.

    Args:
        message: What was wrong, with the offending value. One line, no full stop at the end.
        hint: What is possible and what to do. Printed after the message.
        retry: Options with which the same command can succeed, e.g. ``("predict.on_error=skip",)``.
    """

    def __init__(self, message: str, hint: str = "", *, retry: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = retry

    def __str__(self) -> str:
        text = f"{self.message}; {self.hint}" if self.hint else self.message
        return " ".join(text.split())


class PlanError(HooklineError):
    """All problems of a plan at once: ``problems`` holds them, one line each."""

    def __init__(self, problems: Sequence[HooklineError]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnavailableError(HooklineError):
    """Something exists but cannot be used here: a missing package, library or device."""


def reason_of(error: BaseException) -> str:
    """Return why something ended, as summary.json reports it; never empty."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted by Ctrl-C"
    return str(error) or type(error).__name__


def unknown(kind: str, name: object, possible: Iterable[str], others: Iterable[str] = ()) -> HooklineError:
    """The error for a name that is not registered, with the nearest names first.

    Args:
        kind: What the name is of, e.g. ``stage``.
        name: As it was given.
        possible: All names, listed in the message.
        others: More names that may have been meant, too many to list.
    """
    options = sorted(set(possible))
    nearest = difflib.get_close_matches(str(name), [*options, *others], n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return HooklineError(f"unknown {kind} '{name}'", f"{meant}possible: {', '.join(options) or 'none'}")
