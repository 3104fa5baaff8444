"""Signals that ask a process to end: they become exceptions, so that finished work is kept."""

from __future__ import annotations

import os
import signal


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
        raise Terminated(f"ended by {signal.Signals(number).name}")

    for number in signals:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
