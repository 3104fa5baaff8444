"""Call a function that may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


class OverdueError(Exception):
    """A function did not return in time."""


def within(seconds: float, function: Callable[[], ResultT]) -> ResultT:
    """Call a function in a thread and return its result.

    Ctrl-C is handled meanwhile, also if the function is in native code. A function that hangs keeps its thread, which
    does not keep the process from ending.

    Raises:
        OverdueError: The function did not return in time.
    """
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="within", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise OverdueError
    return results[0]
