"""Prefetch items in a thread, in order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
_here = threading.local()


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class _Ahead(Generic[ItemT]):
    def __init__(self, items: Iterable[ItemT], depth: int) -> None:
        self._items = items
        self._handover: Handover[ItemT | _End] = Handover(depth)
        self._stopped = threading.Event()
        self.ending = Ending()
        self.thread = threading.Thread(target=self._produce, name="ahead", daemon=True)

    def stop(self) -> None:
        self._stopped.set()

    def __iter__(self) -> Iterator[ItemT]:
        while True:
            item = self._handover.get()
            if isinstance(item, _End):
                if item.error:
                    raise item.error
                return
            yield item

    def _produce(self) -> None:
        _here.stopped = self._stopped
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._offer(item):
                    break
        except BaseException as raised:
            error = raised
        finally:
            try:
                if close := getattr(self._items, "close", None):
                    close()
                self._offer(_End(error))
            finally:
                self.ending.set()

    def _offer(self, item: ItemT | _End) -> bool:
        while not self._stopped.is_set():
            if self._handover.put(item, timeout=POLL_SECONDS):
                return True
        return False


def left() -> bool:
    """Return whether this thread prefetches for a block that has been left; code that waits must then stop."""
    stopped: threading.Event | None = getattr(_here, "stopped", None)
    return stopped is not None and stopped.is_set()


@contextmanager
def ahead(items: Iterable[ItemT], depth: int = 4) -> Iterator[Iterator[ItemT]]:
    """Iterate over ``items`` in a thread that is up to ``depth`` items ahead of the block.

    The order is kept. An exception in ``items`` is raised in place of the item. Leaving the block, also by an
    exception, ends the thread::

        with ahead(read_frames(source, tolerance)) as frames:
            for frame in frames: ...
    """
    work = _Ahead(items, depth)
    try:
        work.thread.start()
        yield iter(work)
    finally:
        work.stop()
        work.ending.wait(work.thread)


def in_order(work: Callable[[ItemT], ResultT], items: Iterable[ItemT], threads: int) -> Generator[ResultT, None, None]:
    """Yield ``work(item)`` for each item, in order, computed by ``threads`` threads; with one, in the caller's thread.

    At most two results per thread wait to be yielded. An exception of ``work`` is raised in place of its result.
    Closing the generator waits only for calls in progress.
    """
    if threads == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="in_order")
    waiting: deque[Future[ResultT]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


POLL_SECONDS = 0.1


class Ending:
    """Signals that a thread has finished; waiting for it can be interrupted and repeated.

    After an interrupted ``Thread.join`` Python regards the thread as ended, and an interrupted ``Event.wait`` can leave
    its lock in an undefined state.
    """

    def __init__(self) -> None:
        self._ended = False
        self._signal: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Signal the end."""
        self._ended = True
        self._signal.put(None)

    def wait(self, thread: threading.Thread) -> None:
        """Wait until ``thread`` has finished its work. After an interruption, call it again.

        Return at once if the thread has not begun, because a thread whose start was interrupted may never run.
        """
        while not self._ended and thread.ident is not None:
            with suppress(queue.Empty):
                self._signal.get(timeout=POLL_SECONDS)


class Handover(Generic[ItemT]):
    """A queue between two threads that holds up to ``depth`` items."""

    def __init__(self, depth: int) -> None:
        self._items: queue.SimpleQueue[ItemT] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._free.put(None)

    def put(self, item: ItemT, timeout: float | None = None) -> bool:
        """Add an item, waiting while the queue is full. Return False after ``timeout`` seconds."""
        try:
            self._free.get(timeout=timeout)
        except queue.Empty:
            return False
        self._items.put(item)
        return True

    def put_last(self, item: ItemT) -> None:
        """Add an item at once, even if the queue is full."""
        self._items.put(item)

    def get(self) -> ItemT:
        """Wait for the next item and return it."""
        item = self._items.get()
        self._free.put(None)
        return item
