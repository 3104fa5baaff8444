"""Signals that end a process: they become exceptions, so that finished work is kept.

A signal that arrives during an import, or in a callback whose exceptions Python ignores (of a weak reference, for
example), is sent again after a moment. A library may replace the exception by its own error;
:func:`interruption_first` then raises the interruption.
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

RESEND_SECONDS = 0.05
"""Seconds after which a deferred signal is sent again."""
MAX_IMPORT_SECONDS = 10.0
"""Maximum number of seconds that a signal waits for the end of an import, in which a plugin can hang."""
_received: list[KeyboardInterrupt] = []
_deferred: dict[int, float] = {}
"""Time of the first arrival of each signal that waits for the end of an import."""


class Terminated(KeyboardInterrupt):
    """A signal other than SIGINT ends the process; the text names it."""


def end_by_exception(*signals: signal.Signals) -> None:
    """Raise :class:`Terminated` or, for SIGINT, KeyboardInterrupt when one of ``signals`` arrives.

    An ignored signal stays ignored (``nohup``). A forked process ends by the signal itself.
    """
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        first = _deferred.setdefault(number, time.monotonic())
        if _importing(frame) and time.monotonic() - first < MAX_IMPORT_SECONDS:
            _send_again(number)  # an exception while an extension module is loaded can crash the process
            return
        del _deferred[number]
        name = signal.Signals(number).name
        ended = KeyboardInterrupt() if number == signal.SIGINT else Terminated(f"ended by {name}")
        _received.append(ended)
        raise ended

    for number in signals:
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, end)
    sys.unraisablehook = _resending(sys.unraisablehook)


def _resending(report: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[sys.UnraisableHookArgs], object]:
    """Return a hook that sends a signal again if Python has ignored its exception, and reports all other errors."""

    def hook(ignored: sys.UnraisableHookArgs) -> object:
        if isinstance(ignored.exc_value, KeyboardInterrupt) and ignored.exc_value in _received:
            _received.remove(ignored.exc_value)
            _send_again(signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT)
            return None
        return report(ignored)

    return hook


def _importing(frame: FrameType | None) -> bool:
    """Return whether ``frame`` runs inside an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> None:
    timer = threading.Timer(RESEND_SECONDS, _thread.interrupt_main, (number,))
    timer.daemon = True
    timer.start()


def received() -> tuple[KeyboardInterrupt, ...]:
    """Return the interruptions that signals have raised in this process so far."""
    return tuple(_received)


def interruption_behind(error: BaseException, before: Sequence[KeyboardInterrupt]) -> KeyboardInterrupt | None:
    """Return the interruption that caused ``error``; None for an error, or a KeyboardInterrupt, that code raised.

    Args:
        error: The exception.
        before: The result of :func:`received` before the code ran.
    """
    if new := [item for item in _received if item not in before]:
        return new[-1]
    by_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # the default handler does not record
    return error if isinstance(error, KeyboardInterrupt) and by_python else None


@contextmanager
def interruption_first() -> Iterator[None]:
    """Replace an error in the block by the interruption that preceded it."""
    before = len(_received)
    try:
        yield
    except Exception as error:
        if len(_received) > before:
            raise _received[-1] from error
        raise
