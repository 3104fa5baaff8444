"""Reading, inference and writing at once: each in its thread, frames in order all the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from core.detections import Detections, Filter, Letterbox
from core.head import Head
from core.media.ahead import ahead
from core.media.frame import Frame
from core.parts import ProcessorBackend, Session, for_session
from stages.predict.behind import behind
from stages.predict.clock import Clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
