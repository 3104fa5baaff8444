"""Detect in the pipeline, and write the results in a thread behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from core.detections import Detections
from core.inference.detector import Detector
from core.inference.pipeline import DEPTH, Clock, batches_ahead, batches_of, detected
from core.media.ahead import Ending, Handover
from core.media.frame import Frame

ItemT = TypeVar("ItemT")


def detect_frames(
    frames: Iterator[Frame],
    detector: Detector,
    sink: Callable[[tuple[Frame, Detections]], None],
    *,
    clock: Clock,
    batch: int = 1,
) -> None:
    """Find boxes in every frame, and pass each frame with its boxes to ``sink``, in order, in a thread behind.

    An exception in a thread, or Ctrl-C, ends all threads. What the network has seen by then still reaches ``sink``.

    Args:
        frames: In order.
        detector: The model.
        sink: Takes each frame with its boxes.
        clock: For the phases of the pipeline; the phases of the sink are its own.
        batch: Frames per inference.
    """
    batches = batches_of(clock.each("read", frames), batch, detector.session.contract)
    with behind(sink, DEPTH) as put, detected(batches, detector, clock, depth=batches_ahead(batch)) as found:
        for item in found:
            for pair in zip(item.frames, item.found, strict=True):
                put(pair)


class _Last:
    """Follows the last item."""


class _Behind(Generic[ItemT]):
    def __init__(self, work: Callable[[ItemT], None], depth: int) -> None:
        self._work = work
        self._handover: Handover[ItemT | _Last] = Handover(depth)
        self._error: BaseException | None = None
        self._idle = False
        self._ending = Ending()
        self._thread = threading.Thread(target=self._consume, name="behind", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: ItemT) -> None:
        """Pass the next item; wait while the queue is full; raise what the work raised."""
        self._raise()
        self._handover.put(item)

    def drain(self) -> None:
        """Wait until all items are processed."""
        self._handover.put_last(_Last())
        self._ending.wait(self._thread)

    def finish(self) -> None:
        """Wait as :meth:`drain`; raise what the work raised."""
        self.drain()
        self._raise()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _consume(self) -> None:
        """Process the items; after an error, discard them, so that the producer never waits at a full queue."""
        try:
            while not isinstance(item := self._handover.get(), _Last):
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
    """Yield a function that passes items to ``work`` in a thread, in order; at most ``depth`` items wait.

    Leaving the block waits for the remaining items, also when an exception leaves it: what was passed is worth keeping.
    An exception in ``work`` is raised when the next item is passed, or at the end of the block; ``work`` is then not
    called again.
    """
    worker = _Behind(work, depth)
    try:
        worker.start()
        yield worker.put
        worker.finish()
    finally:
        worker.drain()
