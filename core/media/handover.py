"""A bounded queue between two threads that an interruption cannot break.

``queue.Queue`` is made of Python code around a lock. A KeyboardInterrupt inside it can leave the lock held or a waiting
thread asleep for ever. ``queue.SimpleQueue`` is one call into C, which an interruption leaves whole; free places are
handed back through a second one.
"""

from __future__ import annotations

import queue
from contextlib import suppress
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
POLL_SECONDS = 0.1


class Ending:
    """Says that a thread has ended its work.

    ``Thread.join`` that is interrupted takes the thread for ended from then on; an Event can be left half-waited for.
    """

    def __init__(self) -> None:
        self._ended = False
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """The work is ended."""
        self._ended = True
        self._signal.put(None)

    def wait(self) -> None:
        """Wait until it is; after an interruption, waiting again is right."""
        while not self._ended:
            with suppress(queue.Empty):
                self._signal.get(timeout=POLL_SECONDS)


class Handover(Generic[ItemT]):
    """Items from one thread to another, in order, ``depth`` of them waiting at most."""

    def __init__(self, depth: int) -> None:
        self._items: queue.SimpleQueue[ItemT] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._free.put(None)

    def put(self, item: ItemT, timeout: float | None = None) -> bool:
        """Hand over an item; wait while there is no free place. Return False after ``timeout`` seconds."""
        try:
            self._free.get(timeout=timeout)
        except queue.Empty:
            return False
        self._items.put(item)
        return True

    def put_last(self, item: ItemT) -> None:
        """Hand over an item at once, whether there is a free place or not."""
        self._items.put(item)

    def get(self) -> ItemT:
        """Wait for the next item."""
        item = self._items.get()
        self._free.put(None)
        return item
