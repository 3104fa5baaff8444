"""Signals that ask a process to end: they become exceptions, so that finished work is kept.

A library may turn the exception into another one, or end with an error of its own, when it is interrupted at a bad
moment, for instance while it is imported. :func:`interruption_first` then says what it really was. And Python drops an
exception in a callback of its own, such as that of a weak reference: the signal is sent again then.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 0.05
"""After which a dropped signal is sent again: the callback must be over."""
_received: list[KeyboardInterrupt] = []


class Terminated(KeyboardInterrupt):
    """The process was asked to end: as Ctrl-C, but by a signal. The text says so."""


def end_by_exception(*signals: signal.Signals) -> None:
    """Turn signals that ask this process to end into :class:`Terminated`, so that finished work is kept.

    A signal that is ignored stays ignored (``nohup``). A forked process ends as it would have.
    """
    process = os.getpid()

    def end(number: int, _frame: object) -> None:
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
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
            number = signal.SIGTERM if isinstance(dropped.exc_value, Terminated) else signal.SIGINT
            again = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main, (number,))
            again.daemon = True
            again.start()
            return None
        return report(dropped)

    return hook


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
