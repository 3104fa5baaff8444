"""Work done behind its producer, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from core.media.handover import Ending, Handover

ItemT = TypeVar("ItemT")


class _End:
    """Comes after the last item."""


class _Behind(Generic[ItemT]):
    def __init__(self, work: Callable[[ItemT], None], depth: int) -> None:
        self._work = work
        self._handover: Handover[ItemT | _End] = Handover(depth)
        self._error: BaseException | None = None
        self._idle = False
        self._ending = Ending()
        self._thread = threading.Thread(target=self._consume, name="behind", daemon=True)
        self._thread.start()

    def put(self, item: ItemT) -> None:
        """Hand over the next item; waits while the queue is full; raises what the work raised."""
        self._raise()
        self._handover.put(item)

    def drain(self) -> None:
        """Wait until everything that was handed over is done."""
        self._handover.put_last(_End())
        self._ending.wait()

    def finish(self) -> None:
        """As :meth:`drain`; raises what the work raised."""
        self.drain()
        self._raise()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _consume(self) -> None:
        """After an error, items are still taken, so that the producer is never stuck at a full queue."""
        try:
            while not isinstance(item := self._handover.get(), _End):
                if self._idle:
                    continue
                try:
                    self._work(item)
                except BaseException as error:
                    self._error, self._idle = error, True
        finally:
            self._ending.set()


@contextmanager
def behind(work: Callable[[ItemT], None], depth: int = 4) -> Iterator[Callable[[ItemT], None]]:
    """Gives a function that hands items to ``work`` in a thread, in order, ``depth`` of them waiting at most.

    Leaving the block waits for the rest, also when it is left by an exception: what was handed over is worth keeping.
    An exception in ``work`` is raised where the next item is handed over, or at the end of the block; no further item
    is worked on then.
    """
    worker = _Behind(work, depth)
    try:
        yield worker.put
        worker.finish()
    finally:
        worker.drain()
