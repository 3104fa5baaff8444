"""Keep the newest frame of a live source that a thread reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.media.ahead import left
from core.media.frame import CORRUPT, Frame
from core.media.tolerance import Tolerance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POLL_SECONDS, LEAVE_SECONDS = 0.05, 0.1


class BrokenError(Exception):
    """A connection that ended or was interrupted; the message says why."""


@dataclass(frozen=True)
class Shot:
    """One frame of a connection.

    Attributes:
        image: uint8 BGR [H, W, 3]; the size may change.
        rate: Frames per second, None if unknown.
        corrupt: Whether the decoder flagged the frame as corrupt.
    """

    image: NDArray[np.uint8]
    rate: float | None = None
    corrupt: bool = False


class Connection:
    """One connection to the source, read by a thread.

    A thread that is stuck inside a library cannot be stopped. It is abandoned: its frames are discarded, and it ends
    with the timeout of the library or with the process.

    Attributes:
        begun: Monotonic time at which it was opened.
        frames: Number of delivered frames.
        ended: Whether it has ended.
        error: The error that ended it.
    """

    def __init__(self, shots: Generator[Shot, None, None], deliver: Callable[[Connection, Shot | None], bool]) -> None:
        self._shots, self._deliver = shots, deliver
        self.begun = time.monotonic()
        self.frames = 0
        self.ended = False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._read, name="stream", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            with closing(self._shots):  # release the camera now, not at garbage collection
                for shot in self._shots:
                    if not self._deliver(self, shot):
                        break
        except BaseException as error:
            self.error = error
        finally:
            self._deliver(self, None)


class Inbox:
    """The newest frame; numbers and times continue across connections.

    Attributes:
        received: Number of frames so far.
        last: Monotonic time of the last frame.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._current: Connection | None = None
        self._begin = 0.0
        self.received = 0
        self.last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds from the first to the last frame."""
        return self.last - self._begin if self.received else 0.0

    def open(self, shots: Generator[Shot, None, None]) -> Connection:
        """Start reading a connection; frames of an earlier one are discarded."""
        with self._changed:
            self._current = Connection(shots, self._deliver)
            return self._current

    def take(self, connection: Connection, silent: float, first: float, deadline: float) -> Frame | None:
        """Wait for a frame.

        Args:
            connection: The connection that :meth:`open` returned.
            silent: Seconds to wait after the last frame of the connection.
            first: Seconds to wait for its first frame.
            deadline: Monotonic time at which waiting ends.

        Returns:
            The newest frame; None if the connection has ended or the time is up.
        """
        while not left():
            with self._changed:
                if self._newest is None and not connection.ended:
                    self._changed.wait(POLL_SECONDS)
                frame, self._newest = self._newest, None
                patience = self.last + silent if connection.frames else connection.begun + first
                if frame or connection.ended or time.monotonic() > min(patience, deadline):
                    return frame
        return None

    def close(self) -> None:
        """Discard further frames, and wait briefly until the current connection releases its device."""
        with self._changed:
            connection, self._current = self._current, None
        if connection:
            connection.thread.join(LEAVE_SECONDS)

    def _deliver(self, connection: Connection, shot: Shot | None) -> bool:
        """Accept a frame, or None at the end of the connection; return whether to continue."""
        with self._changed:
            wanted = connection is self._current
            if shot is None:
                connection.ended = True
            elif wanted:
                self._put(shot)
                connection.frames += 1
            self._changed.notify_all()
            return wanted

    def _put(self, shot: Shot) -> None:
        self.last = time.monotonic()
        if not self.received:
            self._begin = self.last
        self._tolerance.dropped += self._newest is not None
        self._tolerance.damaged_frames += shot.corrupt
        number, damage = self.received, CORRUPT if shot.corrupt else ""
        self._newest = Frame(number, f"stream#{number}", None, number, shot.image, self.seconds, shot.rate, damage)
        self.received += 1
