"""Run the images of a split through a model: the boxes of each image, and seconds per phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Sample
from core.detections import Detections, Filter, Letterbox
from core.evaluation.batches import EvaluationBatch, Size, plain_batches, read_sizes, rectangular_batches
from core.inference.detector import Detector, ImageBatch
from core.inference.pipeline import PHASES, Clock, DetectedBatch, batches_ahead, detected, reading_threads
from core.kinds.head import Head
from core.kinds.processor import ProcessorBackend, for_session
from core.kinds.session import Session
from core.media.frame import Frame
from core.media.reader import read_images
from core.media.tolerance import Tolerance

Observer = Callable[[Sequence[int], Mapping[str, NDArray[np.number]], Sequence[Letterbox]], None]
"""Called with the positions of a batch's images in the samples, the outputs of the session, and the letterboxes.

The outputs are on the device of the session and only valid during the call.
"""


@dataclass(frozen=True)
class EvaluatedImage:
    """An evaluated image.

    Attributes:
        index: Position in the samples.
        height, width: Size of the original image in pixels.
        found: Boxes in pixels of the original image.
    """

    index: int
    height: int
    width: int
    found: Detections


def renumbered(images: Sequence[EvaluatedImage], numbers: Mapping[int, int]) -> list[EvaluatedImage]:
    """Return the images with the class ids of a data set in place of those of a model.

    Args:
        images: The images.
        numbers: :attr:`core.data.classes.ClassMatch.numbers`; empty if the class ids are the same. Boxes of other
            classes are dropped.
    """
    return [replace(image, found=_renumbered(image.found, numbers)) for image in images] if numbers else list(images)


def _renumbered(found: Detections, numbers: Mapping[int, int]) -> Detections:
    kept = np.isin(found.classes, list(numbers))
    classes = np.array([numbers[number] for number in found.classes[kept].tolist()], np.int32)
    return Detections(found.boxes[kept], found.scores[kept], classes)


@dataclass
class Evaluation:
    """Result of :func:`evaluate_session`.

    Attributes:
        images: The evaluated images in the order of the samples, without unreadable ones.
        clock: Seconds by phase. Reading and preparing overlap the other phases; the phase ``read`` is the time of
            waiting for the next image.
        wall: Seconds from the first image to the last.
    """

    images: list[EvaluatedImage] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    wall: float = 0.0

    def add(self, batch: DetectedBatch) -> None:
        """Add the images of a batch."""
        for frame, found in zip(batch.frames, batch.found, strict=True):
            self.images.append(EvaluatedImage(frame.index, frame.picture.shape[0], frame.picture.shape[1], found))

    def milliseconds(self) -> dict[str, float]:
        """Return milliseconds per image by phase."""
        count = max(len(self.images), 1)
        return {phase: 1000 * self.clock.seconds.get(phase, 0.0) / count for phase in PHASES}


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
    """Run every image through ``session``.

    Args:
        session: The opened model.
        samples: The images; a thread reads and prepares them ahead of the inference.
        processor: Converts images to network input, and outputs to boxes.
        wanted: Selects the boxes to keep.
        tolerance: Collects unreadable and damaged images.
        head: Head of the model.
        batch: Images per inference.
        rectangular: Sort images by aspect ratio and give each batch the smallest shape that contains its images.
        sizes: Height and width of each image; None reads them if ``rectangular`` needs them.
        upscale: Enlarge images that are smaller than the network input.
        advance: Called with the number of images after each batch.
        observe: Called with the raw outputs of each batch. Its time is part of ``wall`` but of no phase.

    Raises:
        HooklineError: Rectangular batches for a model with a fixed input size, or too many unreadable images.
    """
    result, contract = Evaluation(), session.contract
    detector = Detector(
        session, for_session(processor, session), head, wanted, upscale=upscale, fit=(contract.height, contract.width)
    )
    if rectangular:
        sizes = sizes or read_sizes(samples, tolerance.max_pixels)
        batches = rectangular_batches(sizes, batch, contract, session.facts.max_stride)
    else:
        batches = plain_batches(len(samples), batch, contract)
    if batches:
        _warm_up(detector, batches[0])
    start = time.perf_counter()
    with detected(
        _read(samples, batches, tolerance, result.clock), detector, result.clock, depth=batches_ahead(batch)
    ) as found:
        for item in found:
            result.add(item)
            if observe:
                observe([frame.index for frame in item.frames], item.outputs, item.letterboxes)
            if advance:
                advance(len(item.frames))
    result.wall = time.perf_counter() - start
    tolerance.conclude()
    result.images.sort(key=lambda seen: seen.index)
    return result


def _warm_up(detector: Detector, batch: EvaluationBatch) -> None:
    """Run the first inference, which allocates memory, before the measured time."""
    contract = detector.session.contract
    count = 1 if "batch" in contract.dynamic else contract.batch
    black = Frame(0, "", None, 0, np.zeros((batch.contract.height, batch.contract.width, 3), np.uint8))
    detector.session.run(detector.prepare(ImageBatch([black] * count, batch.contract)).images)


def _read(
    samples: Sequence[Sample], batches: Sequence[EvaluationBatch], tolerance: Tolerance, clock: Clock
) -> Generator[ImageBatch, None, None]:
    """Yield each batch with its readable images."""
    batch_of = {index: number for number, batch in enumerate(batches) for index in batch.indices}
    paths = [(index, str(samples[index].image), samples[index].image) for index in batch_of]
    frames = clock.each("read", read_images(paths, tolerance, threads=reading_threads()))
    with closing(frames):
        for number, group in groupby(frames, key=lambda frame: batch_of[frame.index]):
            yield ImageBatch(list(group), batches[number].contract)
