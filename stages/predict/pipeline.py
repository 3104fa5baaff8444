"""Read, infer and write in threads of their own, frames in order; seconds per phase."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from core.detections import Detections, Filter, Letterbox
from core.kinds.head import Head
from core.kinds.processor import ProcessorBackend, for_session
from core.kinds.session import Session
from core.media.ahead import Ending, Handover, ahead
from core.media.frame import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ItemT = TypeVar("ItemT")
_END = object()


class Clock:
    """Adds up seconds by phase. A phase belongs to one thread; different ones may run at once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def each(self, name: str, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """The items, each waited for under the clock."""
        iterator = iter(items)
        while True:
            with self.phase(name):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]


class _Last:
    """Comes after the last item."""


class _Behind(Generic[ItemT]):
    def __init__(self, work: Callable[[ItemT], None], depth: int) -> None:
        self._work = work
        self._handover: Handover[ItemT | _Last] = Handover(depth)
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
        self._handover.put_last(_Last())
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


# Frames that wait between two threads, beyond those in work: enough to even out, little memory. Also on a GPU, where
# every prepared batch lies in device memory: at most 7 of one frame, 4 of four or more, counting the one at work and
# the ones that are just made and given back. A session of TensorRT keeps CUDA graphs for 8 addresses.
DEPTH = 4

Batch = tuple[list[Frame], "NDArray[np.float32]", list[Letterbox]]


def run_pipeline(
    frames: Iterator[Frame],
    session: Session,
    processor: ProcessorBackend,
    wanted: Filter,
    sink: Callable[[tuple[Frame, Detections]], None],
    *,
    head: Head,
    clock: Clock,
    batch: int = 1,
) -> None:
    """Find boxes in every frame.

    One thread reads and prepares frames ahead, this one runs the network and filters its boxes, one
    calls ``sink`` behind. An exception in any of them, or Ctrl-C, ends all; what the network has seen by then still
    goes to ``sink``.

    Args:
        frames: In order.
        session, processor, wanted: What finds the boxes.
        sink: Gets each frame with its boxes, in order.
        head: Of the model.
        clock: Phases ``decode``, ``prepare``, ``inference``, ``detect``; the sink's own are its own.
        batch: Frames an inference.
    """
    processor = for_session(processor, session)
    batches = _prepared(clock.each("decode", frames), session, processor, clock, batch)
    with behind(sink, DEPTH) as put, ahead(batches, max(1, DEPTH // batch)) as prepared:
        for taken, images, letterboxes in prepared:
            with clock.phase("inference"):
                outputs = session.run(images)
            with clock.phase("detect"):
                found = processor.detect(outputs, head, letterboxes, wanted)
            for pair in zip(taken, found, strict=True):
                put(pair)


def _prepared(
    frames: Iterator[Frame], session: Session, processor: ProcessorBackend, clock: Clock, batch: int
) -> Iterator[Batch]:
    for taken in _batches(frames, batch):
        with clock.phase("prepare"):
            images, letterboxes = processor.prepare([frame.picture for frame in taken], session.contract)
        yield taken, images, letterboxes


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Lists of ``size`` frames, the last one shorter; where reading fails, what was read comes first."""
    taken: list[Frame] = []
    try:
        for frame in frames:
            taken.append(frame)
            if len(taken) == size:
                yield taken
                taken = []
    except Exception:
        if taken:
            yield taken
        raise
    if taken:
        yield taken
