"""Read a live source across connections: timeouts, gaps, and reconnection with back-off."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.errors import HooklineError, counted
from core.media.ahead import left
from core.media.frame import Frame
from core.media.inbox import POLL_SECONDS, BrokenError, Connection, Inbox, Shot
from core.media.tolerance import Gap, Tolerance

SILENT_SECONDS = 10.0
"""Seconds without a frame after which a live source counts as interrupted."""


@dataclass(frozen=True)
class Waits:
    """Timeouts and delays in seconds.

    Attributes:
        silent: Time without a frame after which a connection counts as interrupted.
        first: Time for opening a connection and its first frame. Network streams have a shorter timeout in FFmpeg.
        delay: Delay before the first attempt to reconnect; it doubles with each attempt.
        longest: Maximum delay.
    """

    silent: float = SILENT_SECONDS
    first: float = 60.0
    delay: float = 0.5
    longest: float = 8.0


WAITS = Waits()


def live_frames(
    connect: Callable[[], Generator[Shot, None, None]],
    name: str,
    tolerance: Tolerance,
    reconnect: float,
    waits: Waits = WAITS,
) -> Iterator[Frame]:
    """Yield the newest frame on each request until the source ends; ``tolerance.ended`` has the reason.

    A thread reads the source. ``tolerance.dropped`` counts the frames that a newer one replaced before a request.

    Args:
        connect: Opens the source, yields its frames and ends with an error.
        name: Name of the source in messages.
        tolerance: Collects gaps, dropped and damaged frames, and why the source ended.
        reconnect: Seconds after the last frame during which reconnection is attempted; 0 ends the source at its first
            interruption.
        waits: Other timeouts and delays.

    Raises:
        HooklineError: No frame was received at all.
    """
    inbox = Inbox(tolerance)
    outage = _Outage(name, inbox, tolerance, reconnect, waits)
    try:
        while True:
            connection = inbox.open(connect())
            while frame := inbox.take(connection, waits.silent, waits.first, outage.deadline):
                outage.over(frame)
                yield frame
            if left():
                return
            reason = _reason(connection, waits)
            if not inbox.received:
                raise _no_frames(connection, name, reason)
            outage.begin(reason)
            if not outage.wait():
                return
    finally:
        inbox.close()


def _reason(connection: Connection, waits: Waits) -> str:
    """Return why a connection ended; raise unexpected errors, which are bugs."""
    error = connection.error
    if error is None:
        return f"no frame for {waits.silent if connection.frames else waits.first:g} s"
    if not isinstance(error, (BrokenError, HooklineError)):
        raise error
    return str(error)


def _no_frames(connection: Connection, name: str, reason: str) -> HooklineError:
    if isinstance(connection.error, HooklineError):
        return connection.error
    return HooklineError(f"stream '{name}' sent no frames ({reason})", "check the sender")


class _Outage:
    """An interruption: the time until the next frame or the end of the source.

    Attributes:
        deadline: Monotonic time at which the source ends; infinite while it is connected.
    """

    def __init__(self, name: str, inbox: Inbox, tolerance: Tolerance, reconnect: float, waits: Waits) -> None:
        self._name, self._inbox, self._tolerance = name, inbox, tolerance
        self._reconnect, self._waits = reconnect, waits
        self._gap: Gap | None = None
        self._delay = waits.delay
        self.deadline = math.inf

    def begin(self, reason: str) -> None:
        """Record an interruption; one during a gap belongs to that gap."""
        if self._gap:
            return
        inbox = self._inbox
        began = datetime.now().astimezone() - timedelta(seconds=time.monotonic() - inbox.last)
        at = began.isoformat(timespec="milliseconds")
        self._update(Gap(inbox.received - 1, inbox.seconds, None, at, reason, 0))
        self.deadline, self._delay = inbox.last + self._reconnect, self._waits.delay
        if self._reconnect > 0:
            self._tolerance.warn(
                f"the stream '{self._name}' was interrupted ({reason}) after {counted(inbox.received, 'frame')}; "
                f"reconnecting for up to {self._reconnect:g} s"
            )

    def over(self, frame: Frame) -> None:
        """End the current gap, if any, at the first frame after it."""
        if not self._gap or frame.index <= self._gap.after:
            return
        ended = frame.seconds or 0.0
        self._update(replace(self._gap, ended=ended))
        self._tolerance.warn(f"the stream '{self._name}' is back after {ended - self._gap.began:.1f} s without frames")
        self._gap, self.deadline = None, math.inf

    def wait(self) -> bool:
        """Wait before the next attempt; return False if the source has ended.

        The delay doubles but is at most half of the remaining time, so that the last attempts come close to the end.
        """
        remaining = self.deadline - time.monotonic()
        if not self._gap or remaining <= 0:
            self._end()
            return False
        pause = min(self._delay, max(self._waits.delay, remaining / 2), remaining)
        self._delay = min(2 * self._delay, self._waits.longest)
        if not _paused(pause):
            return False
        self._update(replace(self._gap, attempts=self._gap.attempts + 1))
        return True

    def _end(self) -> None:
        if self._reconnect > 0:
            limit = f"{self._reconnect:g}"
            self._tolerance.ended = f"the sender did not come back within {limit} s (predict.reconnect={limit})"
        elif self._gap:
            self._tolerance.ended = self._gap.reason

    def _update(self, gap: Gap) -> None:
        if self._gap:
            self._tolerance.gaps[-1] = gap
        else:
            self._tolerance.gaps.append(gap)
        self._gap = gap


def _paused(seconds: float) -> bool:
    """Wait; return False as soon as the consumer of this thread's frames has stopped."""
    until, nothing = time.monotonic() + seconds, threading.Event()
    while not left():
        remaining = until - time.monotonic()
        if remaining <= 0:
            return True
        nothing.wait(min(remaining, POLL_SECONDS))
    return False
