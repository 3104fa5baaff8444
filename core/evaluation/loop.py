"""Pictures through a session: what was found in each, and how long each phase took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Sample
from core.detections import Detections, Filter, Letterbox
from core.evaluation.batches import EvaluationBatch, Size, plain_batches, read_sizes, rectangular_batches
from core.kinds.head import Head
from core.kinds.processor import ProcessorBackend, for_session
from core.kinds.session import Session
from core.media.ahead import ahead
from core.media.picture import UnreadableError, read_checked
from core.media.tolerance import Tolerance, Unreadable
from core.model_facts import InputContract

PHASES = ("read", "prepare", "inference", "detect")

Observer = Callable[[Sequence[int], Mapping[str, NDArray[np.number]], Sequence[Letterbox]], None]
"""Takes the positions of a batch's images in the samples, the outputs of the session, and where each image was placed.

The outputs are on the device of the session, and valid only during the call.
"""


@dataclass(frozen=True)
class Seen:
    """One picture that went through the model.

    Attributes:
        index: Position in the samples.
        height, width: Of the original picture, pixels.
        found: Boxes in pixels of the original picture.
    """

    index: int
    height: int
    width: int
    found: Detections


@dataclass
class Evaluation:
    """What :func:`evaluate_session` saw.

    Attributes:
        pictures: In the order of the samples, without those that could not be read.
        seconds: Time by phase, summed over the pictures. Reading goes on beside the other phases.
        wall: Seconds from the first picture to the last.
    """

    pictures: list[Seen] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    wall: float = 0.0

    @contextmanager
    def clock(self, phase: str) -> Iterator[None]:
        """Add the time of the block to ``phase``. A phase is timed in one thread only."""
        start = time.perf_counter()
        yield
        self.seconds[phase] += time.perf_counter() - start

    def milliseconds(self) -> dict[str, float]:
        """Milliseconds a picture by phase."""
        count = max(len(self.pictures), 1)
        return {phase: 1000 * seconds / count for phase, seconds in self.seconds.items()}


def evaluate_session(
    session: Session,
    samples: Sequence[Sample],
    processor: ProcessorBackend,
    wanted: Filter,
    tolerance: Tolerance,
    *,
    head: Head,
    batch: int = 1,
    rectangular: bool = False,
    sizes: Sequence[Size] | None = None,
    upscale: bool = True,
    advance: Callable[[int], None] | None = None,
    observe: Observer | None = None,
) -> Evaluation:
    """Run every picture through ``session``.

    Args:
        session: The opened model.
        samples: The pictures; read in a thread ahead of the inference.
        processor: Makes network input of pictures and boxes of outputs.
        wanted: Which boxes are kept.
        tolerance: Takes in pictures that cannot be read.
        head: Of the model.
        batch: Pictures an inference.
        rectangular: Pictures by aspect ratio, each batch in the smallest shape that holds them.
        sizes: Height and width of each picture where they are known; rectangular batches read them otherwise.
        upscale: Enlarge pictures that are smaller than the network's input.
        advance: Called with the number of pictures after each batch.
        observe: Called with the raw outputs of each batch. Its time is part of ``wall`` and of no phase.

    Raises:
        HooklineError: Rectangular batches for a model of one size, or too many or all images cannot be read.
    """
    result, fit = Evaluation(), (session.contract.height, session.contract.width)
    processor = for_session(processor, session)
    prepare = partial(processor.prepare, upscale=upscale, fit=fit)
    if rectangular:
        batches = rectangular_batches(
            sizes or read_sizes(samples, tolerance.max_pixels), batch, session.contract, session.facts.max_stride
        )
    else:
        batches = plain_batches(len(samples), batch, session.contract)
    if batches:
        _warm_up(session, prepare, batches[0])
    start = time.perf_counter()
    with ahead(_read(samples, batches, tolerance, result)) as items:
        for indices, pictures, contract in items:
            with result.clock("prepare"):
                images, letterboxes = prepare(pictures, contract)
            with result.clock("inference"):
                outputs = session.run(images)
            with result.clock("detect"):
                found = processor.detect(outputs, head, letterboxes, wanted)
            for index, picture, boxes in zip(indices, pictures, found, strict=True):
                result.pictures.append(Seen(index, picture.shape[0], picture.shape[1], boxes))
            if observe:
                observe(indices, outputs, letterboxes)
            if advance:
                advance(len(pictures))
    result.wall = time.perf_counter() - start
    tolerance.conclude()
    if samples and not result.pictures:
        raise tolerance.exceeded(len(samples))
    result.pictures.sort(key=lambda seen: seen.index)
    return result


def _warm_up(
    session: Session, prepare: Callable[..., tuple[NDArray[np.float32], list[Letterbox]]], batch: EvaluationBatch
) -> None:
    """The first inference allocates memory; it is not part of the time that is measured."""
    count = 1 if "batch" in session.contract.dynamic else session.contract.batch
    black = np.zeros((batch.contract.height, batch.contract.width, 3), np.uint8)
    images, _ = prepare([black] * count, batch.contract)
    session.run(images)


def _read(
    samples: Sequence[Sample], batches: Sequence[EvaluationBatch], tolerance: Tolerance, result: Evaluation
) -> Iterator[tuple[list[int], list[NDArray[np.uint8]], InputContract]]:
    """The pictures of each batch that can be read, with their positions."""
    for batch in batches:
        indices: list[int] = []
        pictures: list[NDArray[np.uint8]] = []
        for index in batch.indices:
            try:
                with result.clock("read"):
                    picture, damage = read_checked(samples[index].image, tolerance.max_pixels)
            except UnreadableError as error:
                tolerance.skip(Unreadable(str(samples[index].image), str(error)))
                continue
            if damage:
                tolerance.damage(str(samples[index].image), damage)
            indices.append(index)
            pictures.append(picture)
        if pictures:
            yield indices, pictures, batch.contract
