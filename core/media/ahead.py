"""Work done ahead of its consumer, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.media.handover import POLL_SECONDS, Ending, Handover

ItemT = TypeVar("ItemT")
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
    """Return whether this thread works ahead of a block that has been left; what waits for items must then give up."""
    stopped: threading.Event | None = getattr(_here, "stopped", None)
    return stopped is not None and stopped.is_set()


@contextmanager
def ahead(items: Iterable[ItemT], depth: int = 4) -> Iterator[Iterator[ItemT]]:
    """Iterate over ``items`` in a thread that is up to ``depth`` items ahead of the block.

    The order is kept; an exception in ``items`` is raised where the item would have come; leaving
    the block, also by an exception, ends the thread::

        with ahead(read_frames(source, tolerance)) as frames:
            for frame in frames: ...
    """
    work = _Ahead(items, depth)
    work.thread.start()
    try:
        yield iter(work)
    finally:
        work.stop()
        work.ending.wait()
