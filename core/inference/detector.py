"""A detector: a model with its pre- and post-processing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.detections import Detections, Filter, Letterbox
from core.kinds.head import Head
from core.kinds.processor import ProcessorBackend
from core.kinds.session import Session
from core.media.frame import Frame
from core.model_facts import InputContract

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageBatch:
    """Frames of one inference.

    Attributes:
        frames: In order.
        contract: The input to prepare them for: that of the model, or with the height and width of this batch.
    """

    frames: Sequence[Frame]
    contract: InputContract


@dataclass(frozen=True)
class PreparedBatch:
    """A batch as the network takes it.

    Attributes:
        frames: In order.
        images: float32 [B, 3, H, W], on the device of the session where the processor works there.
        letterboxes: Where each frame was placed.
    """

    frames: Sequence[Frame]
    images: NDArray[np.float32]
    letterboxes: Sequence[Letterbox]


@dataclass(frozen=True)
class Detector:
    """A model with its pre- and post-processing: frames in, boxes out.

    Attributes:
        session: The opened model.
        processor: Pre- and post-processing; ``for_session(processor, session)`` keeps both on the session's device.
        head: Of the model.
        wanted: Which boxes are kept.
        upscale: Enlarge images that are smaller than the input.
        fit: Height and width to fit images into, smaller than the input; None: the input.
    """

    session: Session
    processor: ProcessorBackend
    head: Head
    wanted: Filter
    upscale: bool = True
    fit: tuple[int, int] | None = None

    def prepare(self, batch: ImageBatch) -> PreparedBatch:
        """Return the network input of a batch."""
        return prepare_batch(self.processor, batch, upscale=self.upscale, fit=self.fit)

    def detect(self, outputs: Mapping[str, NDArray[np.number]], batch: PreparedBatch) -> list[Detections]:
        """Return the boxes of each frame of the batch that gave ``outputs``."""
        return self.processor.detect(outputs, self.head, batch.letterboxes, self.wanted)


def prepare_batch(
    processor: ProcessorBackend, batch: ImageBatch, *, upscale: bool = True, fit: tuple[int, int] | None = None
) -> PreparedBatch:
    """Letterbox and normalise a batch."""
    images = [frame.picture for frame in batch.frames]
    prepared, letterboxes = processor.prepare(images, batch.contract, upscale=upscale, fit=fit)
    return PreparedBatch(batch.frames, prepared, letterboxes)


def warm_up(session: Session, runs: int) -> None:
    """Run ``session`` ``runs`` times on a batch of grey images: the first runs of an engine are slower."""
    contract = session.contract
    size = (contract.batch, 3, contract.height, contract.width)
    grey = np.full(size, contract.pad_value * contract.scale + contract.offset, np.float32)
    for _ in range(runs):
        session.run(grey)
