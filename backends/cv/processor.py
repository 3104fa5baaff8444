"""The processor ``opencv``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.letterbox import letterbox
from backends.cv.nms import suppress
from core.artifacts import InputContract
from core.detections import Candidates, Detections, Filter, Letterbox, checked
from core.head import Head


class OpenCvProcessor:
    """Pictures to network input and raw outputs to boxes, on the CPU. Keeps nothing between calls."""

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] pictures to float32 [B, 3, H, W]."""
        return letterbox(pictures, contract, upscale=upscale, fit=fit)

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Ask ``head`` for candidates, keep the wanted classes, suppress, and rescale to the original images."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by ``checked``
            return [
                checked(self._detect_one(outputs, index, head, place, wanted), head.facts)
                for index, place in enumerate(letterboxes)
            ]

    @staticmethod
    def _detect_one(
        outputs: Mapping[str, NDArray[np.number]], index: int, head: Head, place: Letterbox, wanted: Filter
    ) -> Detections:
        found = head.candidates(outputs, index, wanted)
        if wanted.classes:
            found = found.pick(np.isin(found.classes, wanted.classes))
        return _rescaled(suppress(found, wanted), place)


def _rescaled(found: Candidates, place: Letterbox) -> Detections:
    """Boxes in pixels of the picture, x = (x_net - left) / ratio, clipped to it."""
    offset = np.asarray([place.left, place.top] * 2, np.float32)
    limit = np.asarray([place.width, place.height] * 2, np.float32)
    boxes = np.clip((found.boxes - offset) / np.float32(place.ratio), 0, limit)
    return Detections(boxes=boxes.astype(np.float32, copy=False), scores=found.scores, classes=found.classes)
