"""The TensorRT logger, and error messages from what it logged."""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections import deque
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, SupportsInt

from core.errors import HooklineError
from cuda_plugins.tensorrt_types import take_errors

log = logging.getLogger("hookline")

KEPT_MESSAGES = 2000
"""Number of messages that a journal keeps."""
QUOTED_MESSAGES = 2
"""Maximum number of messages that an error quotes: the first is the cause, the last its consequence."""
ERROR, WARNING = 1, 2
_LEVELS = {0: logging.ERROR, ERROR: logging.ERROR, WARNING: logging.WARNING}

ENVELOPE = re.compile(r"Error Code \d+: (?P<kind>[\w ]+) \((?P<text>.*?)\.?(?: In \w+ at [^ )]*)?\)+$")
"""TensorRT wraps a message in the failed call, an error code, and a function and source file of its own."""


@dataclass(frozen=True)
class Message:
    """One message of TensorRT. Severity 0 and 1 are errors, 2 is a warning."""

    number: int
    severity: int
    text: str


class Journal:
    """The latest warnings and errors, oldest first. A build logs thousands of less severe messages."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=KEPT_MESSAGES)
        self.count = 0
        self._lock = threading.Lock()

    def add(self, severity: int, text: str) -> None:
        """Keep a warning or error, and pass every message on to the log of the run. Thread-safe."""
        if severity <= WARNING:
            with self._lock:
                self.count += 1
                self.messages.append(Message(self.count, severity, text))
        log.log(_LEVELS.get(severity, logging.DEBUG), "TensorRT: %s", text)

    def since(self, number: int, severity: int = ERROR) -> list[str]:
        """Return the distinct messages after message ``number`` of at least this severity, without their envelopes."""
        found = (
            plain(item.text) for item in tuple(self.messages) if item.number > number and item.severity <= severity
        )
        return list(dict.fromkeys(found))

    def reason(self, number: int) -> str:
        """Return the first and the last error after message ``number``, or else the last warning."""
        errors = self.since(number) or self.since(number, WARNING)[-1:]
        return " ... ".join([errors[0], *errors[1:][-QUOTED_MESSAGES + 1 :]]) if errors else "it logged no reason"


class JournalLogger(Protocol):
    """An ``ILogger`` that keeps messages in a journal."""

    journal: Journal


@functools.cache
def make_logger(trt: ModuleType) -> JournalLogger:
    """Return the ``ILogger`` of this process for a TensorRT module. TensorRT ignores a second logger."""

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.journal = Journal()

        def log(self, severity: SupportsInt, message: str) -> None:
            self.journal.add(int(severity), message)

    return Log()


def plain(message: str) -> str:
    """Return the text of a message without its envelope."""
    text = " ".join(message.split())
    found = ENVELOPE.search(text)
    if not found:
        return text
    # The kind adds information for OutOfMemory only, whose text may be a number of bytes.
    return f"out of memory: {found['text']}" if found["kind"] == "OutOfMemory" else found["text"]


class Watch:
    """Explains the failure of one TensorRT call. Create it before the call.

    Plugins may raise errors that TensorRT ignores, for example while it tries kernels, so errors are read only after a
    call has failed.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal, self._start = journal, journal.count
        take_errors()

    @property
    def reason(self) -> str:
        """What TensorRT has logged since this object was created."""
        return self._journal.reason(self._start)

    def reason_or(self, default: str) -> str:
        """Return what TensorRT has logged; ``default`` if it logged no error."""
        return default if default and not self._journal.since(self._start) else self.reason

    def error(self, failed: str, remedy: str, reason: str = "") -> Exception:
        """Return the exception to raise: one line for the user, or the bug that a plugin of hookline raised.

        Args:
            failed: What failed; the reason follows after a colon.
            remedy: What the user can do, unless a plugin of hookline failed.
            reason: The reason, if TensorRT reports it outside its log.
        """
        for error in take_errors()[-1:]:  # TensorRT has ignored earlier ones
            if not isinstance(error, HooklineError):
                return error
            return HooklineError(f"{failed}: a plugin failed: {error.message}", error.hint)
        return HooklineError(f"{failed}: {reason or self.reason}", remedy)
