"""Signals that ask a process to end: they become exceptions, so that finished work is kept.

A signal that comes while a library is imported, or in a callback whose exceptions Python drops, such as that of a weak
reference, is sent again a little later. A library may turn the exception into an error of its own:
:func:`interruption_first` then says what it really was.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 0.05
"""After which a signal at a bad moment is sent again."""
LONGEST_IMPORT = 10.0
"""Seconds for which a signal waits for the end of an import: the code of a plugin can hang there."""
_received: list[KeyboardInterrupt] = []
_deferred: dict[int, float] = {}
"""When a signal came that waits for the end of an import."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end: as Ctrl-C, but by a signal. The text says so."""


def end_by_exception(*signals: signal.Signals) -> None:
    """Turn signals that ask this process to end into :class:`Terminated`, so that finished work is kept.

    A signal that is ignored stays ignored (``nohup``). A forked process ends as it would have.
    """
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        first = _deferred.setdefault(number, time.monotonic())
        if _importing(frame) and time.monotonic() - first < LONGEST_IMPORT:
            _send_again(number)  # extension modules do not survive an exception while they are loaded
            return
        del _deferred[number]
        name = signal.Signals(number).name
        ended = KeyboardInterrupt() if number == signal.SIGINT else Terminated(f"ended by {name}")
        _received.append(ended)
        raise ended

    for number in signals:
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, end)
    sys.unraisablehook = _again(sys.unraisablehook)


def _again(report: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[sys.UnraisableHookArgs], object]:
    """Send a signal again whose exception was dropped; everything else is reported as before."""

    def hook(dropped: sys.UnraisableHookArgs) -> object:
        if isinstance(dropped.exc_value, KeyboardInterrupt) and dropped.exc_value in _received:
            _received.remove(dropped.exc_value)
            _send_again(signal.SIGTERM if isinstance(dropped.exc_value, Terminated) else signal.SIGINT)
            return None
        return report(dropped)

    return hook


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is under way."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> None:
    again = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main, (number,))
    again.daemon = True
    again.start()


def received() -> tuple[KeyboardInterrupt, ...]:
    """Return the interruptions that signals have caused in this process so far."""
    return tuple(_received)


def interruption_behind(error: BaseException, before: Sequence[KeyboardInterrupt]) -> KeyboardInterrupt | None:
    """Return the interruption by a signal that an error stands for; None for a KeyboardInterrupt that code raised.

    Args:
        error: What was raised.
        before: :func:`received` before the code ran that raised it.
    """
    if new := [item for item in _received if item not in before]:
        return new[-1]
    by_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it raises what nobody records
    return error if isinstance(error, KeyboardInterrupt) and by_python else None


@contextmanager
def interruption_first() -> Iterator[None]:
    """Raise the interruption in place of an error that came after it."""
    before = len(_received)
    try:
        yield
    except Exception as error:
        if len(_received) > before:
            raise _received[-1] from error
        raise
