"""Read, prepare, infer, detect: the pipeline of every stage that runs images through a model.

A stage names its frames and how they form batches. A thread reads and prepares batches ahead; the thread of the stage
runs the network, finds the boxes, and uses them. Frames keep their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from core.detections import Detections, Letterbox
from core.inference.detector import Detector, ImageBatch, PreparedBatch
from core.media.ahead import ahead
from core.media.frame import Frame
from core.model_facts import InputContract
from core.process.resources import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ItemT = TypeVar("ItemT")
PreparedT = TypeVar("PreparedT")
_END = object()

PHASES = ("read", "prepare", "inference", "detect")
DEPTH = 4
"""Number of frames that wait between two threads: enough to even out their speeds.

It bounds the memory, also that of a GPU, where every prepared batch occupies device memory. Counting the batch of the
current inference, the one that was just prepared and the one that was just used, at most 7 batches of one frame exist,
or 4 of four or more frames. A TensorRT session keeps CUDA graphs for 8 addresses.
"""
MIN_READERS, MAX_READERS = 2, 4


def batches_ahead(size: int) -> int:
    """Return how many prepared batches of ``size`` frames wait for the network."""
    return max(1, DEPTH // size)


def reading_threads() -> int:
    """Return how many threads decode image files: half of the cores, since the network needs them too.

    With two or more, the next images are decoded while a batch is prepared.
    """
    return max(MIN_READERS, min(MAX_READERS, usable_cores() // 2))


class Clock:
    """Seconds by phase. Each phase is timed in one thread; different phases may run at the same time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def each(self, name: str, items: Iterable[ItemT]) -> Generator[ItemT, None, None]:
        """Yield the items; add the time of waiting for each to a phase."""
        with _closed_after(items) as iterator:
            while True:
                with self.phase(name):
                    item = next(iterator, _END)
                if item is _END:
                    return
                yield item  # type: ignore[misc]


@dataclass(frozen=True)
class DetectedBatch:
    """A batch and its boxes.

    Attributes:
        frames: In order.
        letterboxes: Where each frame was placed.
        outputs: Raw outputs, on the device of the session; valid until the next batch is requested.
        found: The boxes of each frame.
    """

    frames: Sequence[Frame]
    letterboxes: Sequence[Letterbox]
    outputs: Mapping[str, NDArray[np.number]]
    found: Sequence[Detections]


def batches_of(frames: Iterable[Frame], size: int, contract: InputContract) -> Iterator[ImageBatch]:
    """Yield batches of ``size`` frames; the last one may be smaller.

    After a read error, the frames before it are yielded first.
    """
    taken: list[Frame] = []
    with _closed_after(frames) as remaining:
        try:
            for frame in remaining:
                taken.append(frame)
                if len(taken) == size:
                    yield ImageBatch(taken, contract)
                    taken = []
        except Exception:
            if taken:
                yield ImageBatch(taken, contract)
            raise
        if taken:
            yield ImageBatch(taken, contract)


def prepared(
    batches: Iterable[ImageBatch], prepare: Callable[[ImageBatch], PreparedT], clock: Clock, *, depth: int
) -> AbstractContextManager[Iterator[PreparedT]]:
    """Prepare batches in a thread, up to ``depth`` ahead of the block.

    An error of reading or preparing is raised, with its type, when its batch is requested. The end of the block, by an
    exception or Ctrl-C too, ends the thread and closes ``batches``.

    Args:
        batches: The batches to read, in order.
        prepare: Makes the network input, e.g. :meth:`Detector.prepare`.
        clock: For the phase ``prepare``.
        depth: Number of prepared batches that may wait; 0: no thread, each batch is read when it is requested.
    """
    work = _prepared(batches, prepare, clock)
    return ahead(work, depth) if depth else _closed_after(work)


def _prepared(
    batches: Iterable[ImageBatch], prepare: Callable[[ImageBatch], PreparedT], clock: Clock
) -> Iterator[PreparedT]:
    with _closed_after(batches) as remaining:
        for batch in remaining:
            with clock.phase("prepare"):
                made = prepare(batch)
            yield made


@contextmanager
def detected(
    batches: Iterable[ImageBatch], detector: Detector, clock: Clock, *, depth: int
) -> Iterator[Iterator[DetectedBatch]]:
    """Find the boxes of batches that are read and prepared ahead, as :func:`prepared` does.

    The network runs in the thread that requests the next batch::

        with detected(batches, detector, clock, depth=batches_ahead(size)) as found:
            for batch in found: ...

    Args:
        batches: The batches to read, in order.
        detector: The model.
        clock: For the phases ``prepare``, ``inference`` and ``detect``; ``clock.each("read", frames)`` adds the first.
        depth: Number of prepared batches that may wait.
    """
    with prepared(batches, detector.prepare, clock, depth=depth) as ready:
        yield _detected(ready, detector, clock)


def _detected(ready: Iterator[PreparedBatch], detector: Detector, clock: Clock) -> Iterator[DetectedBatch]:
    for batch in ready:
        with clock.phase("inference"):
            outputs = detector.session.run(batch.images)
        with clock.phase("detect"):
            found = detector.detect(outputs, batch)
        yield DetectedBatch(batch.frames, batch.letterboxes, outputs, found)


@contextmanager
def _closed_after(items: Iterable[ItemT]) -> Iterator[Iterator[ItemT]]:
    """Iterate over ``items``; at the end of the block close them, if they have ``close``."""
    iterator = iter(items)
    try:
        yield iterator
    finally:
        if close := getattr(iterator, "close", None):
            close()
