"""The processor ``opencv``: letterbox, NMS (docs/contracts.md, NMS) and rescaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backends.cv.letterbox import letterbox
from core.detections import Candidates, Detections, Filter, Letterbox, checked
from core.kinds.head import Head
from core.model_facts import InputContract

Floats = NDArray[np.float32]

# Candidates per block: large enough to amortise NumPy calls, small enough that the search ends soon after ``max_det``
# boxes are found. Measured from 64 to 384; 96 to 256 are within 10 %.
BLOCK = 128


def suppress(found: Candidates, wanted: Filter) -> Candidates:
    """Apply greedy class-aware NMS: keep the best box, drop boxes of its class that overlap it by more than ``iou``.

    Equal scores are ordered as the candidates. IoU is computed in float32. The result is that of the simple loop over
    all pairs, but computed in blocks: each block of sorted candidates is compared with the boxes kept so far, then
    with itself, until ``max_det`` boxes are kept.

    Returns:
        The kept candidates, best first.
    """
    order = np.argsort(-found.scores, kind="stable")[: wanted.max_candidates]
    sorted_ = found.pick(order)
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(order)))
        block = block[~_overlaps(sorted_, kept, block, wanted.iou).any(axis=0)]
        kept = np.concatenate([kept, block[_greedy(_overlaps(sorted_, block, block, wanted.iou))]])
        if len(kept) >= wanted.max_det:
            break
    return sorted_.pick(kept[: wanted.max_det])


def _overlaps(boxes: Candidates, first: NDArray[np.intp], second: NDArray[np.intp], iou: float) -> NDArray[np.bool_]:
    """Return [first, second]: whether two boxes have the same class and an IoU above the threshold."""
    one, other = boxes.boxes[first], boxes.boxes[second]
    shared = _extent(one, other, 0)
    shared *= _extent(one, other, 1)
    total = _areas(one)[:, None] + _areas(other)[None, :] - shared
    above: NDArray[np.bool_] = shared > np.float32(iou) * total
    above &= boxes.classes[first][:, None] == boxes.classes[second][None, :]
    return above


def _extent(one: Floats, other: Floats, axis: int) -> Floats:
    """Return the length of the intersections along an axis, [one, other]."""
    length = np.minimum(one[:, None, axis + 2], other[None, :, axis + 2])
    length -= np.maximum(one[:, None, axis], other[None, :, axis])
    return np.maximum(length, 0, out=length)


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _greedy(overlaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which boxes of a sorted block stay, given the pairs that overlap."""
    later = np.triu(overlaps, 1)
    stays = np.ones(len(later), np.bool_)
    for index in np.flatnonzero(later.any(axis=1)):
        if stays[index]:
            stays &= ~later[index]
    return stays


class OpenCvProcessor:
    """Converts images to network input and outputs to boxes, on the CPU. Has no state."""

    def prepare(
        self,
        images: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to float32 [B, 3, H, W]."""
        return letterbox(images, contract, upscale=upscale, fit=fit)

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Get candidates from ``head``, keep the wanted classes, apply NMS, and rescale to the original images."""
        with np.errstate(over="ignore", invalid="ignore"):  # ``checked`` reports overflows
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
    """Return boxes in pixels of the image, x = (x_net - left) / ratio, clipped to it."""
    offset = np.asarray([place.left, place.top] * 2, np.float32)
    limit = np.asarray([place.width, place.height] * 2, np.float32)
    boxes = np.clip((found.boxes - offset) / np.float32(place.ratio), 0, limit)
    return Detections(boxes=boxes.astype(np.float32, copy=False), scores=found.scores, classes=found.classes)
