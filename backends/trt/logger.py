"""What TensorRT says: one logger a process, since a second one is ignored, which keeps what errors are told from."""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections import deque
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, SupportsInt

log = logging.getLogger("hookline")

KEPT = 2000
"""Messages that are remembered."""
TOLD = 2
"""Messages that an error quotes: the first is the cause, the last what came of it."""
ERROR, WARNING = 1, 2
_LEVELS = {0: logging.ERROR, ERROR: logging.ERROR, WARNING: logging.WARNING}

ENVELOPE = re.compile(r"Error Code \d+: (?P<kind>[\w ]+) \((?P<text>.*?)\.?(?: In \w+ at [^ )]*)?\)+$")
"""Around what the library says: the call, a code, a function and a source file of its own."""


@dataclass(frozen=True)
class Message:
    """One message; severity 0 and 1 are errors, 2 a warning."""

    number: int
    severity: int
    text: str


class Journal:
    """The newest warnings and errors, oldest first. Of what TensorRT says besides there are thousands in a build."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=KEPT)
        self.count = 0
        self._lock = threading.Lock()

    def add(self, severity: int, text: str) -> None:
        """Keep a warning or error, and pass any message on to the log of the run. Called from any thread."""
        if severity <= WARNING:
            with self._lock:
                self.count += 1
                self.messages.append(Message(self.count, severity, text))
        log.log(_LEVELS.get(severity, logging.DEBUG), "TensorRT: %s", text)

    def since(self, number: int, severity: int = ERROR) -> list[str]:
        """Messages after the first ``number`` that are at least so severe, in plain words, each once."""
        found = (
            plain(item.text) for item in tuple(self.messages) if item.number > number and item.severity <= severity
        )
        return list(dict.fromkeys(found))

    def reason(self, number: int) -> str:
        """Why what began after ``number`` messages failed: the first and the last error, else the last warning."""
        errors = self.since(number) or self.since(number, WARNING)[-1:]
        return " ... ".join([errors[0], *errors[1:][-TOLD + 1 :]]) if errors else "it does not say why"


class JournalLogger(Protocol):
    """An ``ILogger`` that keeps what was said."""

    journal: Journal


@functools.cache
def make_logger(trt: ModuleType) -> JournalLogger:
    """The ``ILogger`` of this process for a module; its ``journal`` holds what was said."""

    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.journal = Journal()

        def log(self, severity: SupportsInt, message: str) -> None:
            self.journal.add(int(severity), message)

    return Log()


def plain(message: str) -> str:
    """The sentence in a message, without the library's own places around it."""
    text = " ".join(message.split())
    found = ENVELOPE.search(text)
    if not found:
        return text
    # The only kind that says more than its sentence, which may be a number of bytes alone.
    return f"out of memory: {found['text']}" if found["kind"] == "OutOfMemory" else found["text"]
