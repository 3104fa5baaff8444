"""What TensorRT-RTX calls back while it builds: a logger that remembers, a monitor that reports.

The classes are made at run time, since their bases lie in the module that they are for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

Report = Callable[..., None]
"""Sends a message to the program: ``report(phase="Building engine")``."""

ENVELOPE = re.compile(r"Error Code \d+: [\w ]+ \((?P<text>.*?)\.?(?: In \w+ at [^ )]*)?\)+$")
"""Around what the library says: the call, a code, a function and a source file of its own."""


def make_logger(trt: Any) -> Any:
    """An ``ILogger`` that writes warnings and errors to standard error and keeps the ``errors``, oldest first."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(plain(message))
            if severity <= trt.ILogger.WARNING:
                print(message, file=sys.stderr, flush=True)  # noqa: T201

    return Log()


def make_monitor(trt: Any, report: Report) -> Any:
    """An ``IProgressMonitor`` that reports the phases, and stops the build when nobody listens any more."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.heard = True

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:  # noqa: ARG002
            try:
                report(phase=phase)
            except OSError:  # the program that started the build is gone
                self.heard = False

        def step_complete(self, phase: str, step: int) -> bool:  # noqa: ARG002
            return self.heard

        def phase_finish(self, phase: str) -> None:
            pass

    return Monitor()


def plain(message: str) -> str:
    """The sentence in a message of the log, without the library's own places around it."""
    text = " ".join(message.split())
    found = ENVELOPE.search(text)
    return found["text"] if found else text
