"""Work done behind its producer, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class _End:
    """Comes after the last item."""


class _Behind(Generic[ItemT]):
    def __init__(self, work: Callable[[ItemT], None], depth: int) -> None:
        self._work = work
        self._queue: queue.Queue[ItemT | _End] = queue.Queue(maxsize=depth)
        self._error: BaseException | None = None
        self._idle = False
        self._thread = threading.Thread(target=self._consume, name="behind", daemon=True)
        self._thread.start()

    def put(self, item: ItemT) -> None:
        """Hand over the next item; waits while the queue is full; raises what the work raised."""
        self._raise()
        self._queue.put(item)

    def finish(self) -> None:
        """Wait until everything is done."""
        self._queue.put(_End())
        self._thread.join()
        self._raise()

    def abort(self) -> None:
        """End after the item at hand."""
        self._idle = True
        if self._thread.is_alive():
            self._queue.put(_End())
            self._thread.join()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _consume(self) -> None:
        """After an error, items are still taken, so that the producer is never stuck at a full queue."""
        while not isinstance(item := self._queue.get(), _End):
            if self._idle:
                continue
            try:
                self._work(item)
            except BaseException as error:
                self._error, self._idle = error, True


@contextmanager
def behind(work: Callable[[ItemT], None], depth: int = 4) -> Iterator[Callable[[ItemT], None]]:
    """Gives a function that hands items to ``work`` in a thread, in order, ``depth`` of them waiting at most.

    Leaving the block waits for the rest; leaving it by an exception drops the rest. An exception in
    ``work`` is raised where the next item is handed over, or at the end of the block.
    """
    worker = _Behind(work, depth)
    try:
        yield worker.put
        worker.finish()
    finally:
        worker.abort()
