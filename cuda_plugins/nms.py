"""The NMS kernel: NumPy twin and launches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct

Floats = NDArray[np.float32]

DETECTION = np.dtype([("box", np.float32, 4), ("score", np.float32), ("label", np.int32)])
"""A box of the result: x1, y1, x2, y2 in image pixels, clipped to the image; score; class."""


@dataclass(frozen=True)
class Suppression:
    """The NMS parameters (docs/contracts.md, NMS).

    Attributes:
        conf: Minimum score.
        iou: A box is dropped if its IoU with a better box of its class is larger.
        max_det: Maximum number of boxes per image.
        max_candidates: Maximum number of candidates per image, best first.
        classes: The classes to keep; empty keeps all.
    """

    conf: float
    iou: float
    max_det: int = 300
    max_candidates: int = 30_000
    classes: Collection[int] = ()


@dataclass(frozen=True)
class ImageTransform:
    """From network pixels to image pixels: x = (x_net - left) / ratio, clipped to width and height."""

    ratio: float
    left: float
    top: float
    width: float
    height: float


def nms(
    boxes: Floats, scores: Floats, classes: NDArray[np.int32], transforms: Sequence[ImageTransform], wanted: Suppression
) -> tuple[NDArray[np.int32], NDArray[np.void]]:
    """Apply greedy class-aware NMS: keep the best box, drop boxes of its class that overlap it too much, and repeat.

    Equal scores are ordered by row. Everything is computed in float32.

    Args:
        boxes: float32 [B, N, 4], x1, y1, x2, y2 in network pixels.
        scores: float32 [B, N]; rows with a score above zero are candidates.
        classes: int32 [B, N].
        transforms: One per image.
        wanted: The NMS parameters.

    Returns:
        The number of boxes per image, [B], and the boxes, :data:`DETECTION` [B, max_det], best first; rows after the
        count are zero.
    """
    counts = np.zeros(len(scores), np.int32)
    found = np.zeros((len(scores), wanted.max_det), DETECTION)
    for image, transform in enumerate(transforms):
        kept = _suppress(boxes[image], scores[image], classes[image], wanted)
        rows = found[image, : len(kept)]
        rows["box"] = _restored(boxes[image][kept], transform)
        rows["score"], rows["label"] = scores[image][kept], classes[image][kept]
        counts[image] = len(kept)
    return counts, found


def _suppress(boxes: Floats, scores: Floats, classes: NDArray[np.int32], wanted: Suppression) -> list[int]:
    """Return the kept rows, best first."""
    candidates = (scores > 0) & (scores >= np.float32(wanted.conf))
    if wanted.classes:
        candidates &= np.isin(classes, list(wanted.classes))
    rows = np.flatnonzero(candidates)
    rows = rows[np.argsort(-scores[rows], kind="stable")][: wanted.max_candidates]
    kept: list[int] = []
    while len(rows) and len(kept) < wanted.max_det:
        best, rows = rows[0], rows[1:]
        kept.append(int(best))
        rows = rows[~((classes[rows] == classes[best]) & _overlap(boxes[best], boxes[rows], wanted.iou))]
    return kept


def _overlap(one: Floats, others: Floats, iou: float) -> NDArray[np.bool_]:
    extent = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = extent.clip(0).prod(1)
    area = (one[2] - one[0]) * (one[3] - one[1])
    total = area + (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1]) - shared
    above: NDArray[np.bool_] = shared > np.float32(iou) * total
    return above


def _restored(boxes: Floats, transform: ImageTransform) -> Floats:
    offset = np.asarray([transform.left, transform.top] * 2, np.float32)
    limit = np.asarray([transform.width, transform.height] * 2, np.float32)
    restored: Floats = np.clip((boxes - offset) / np.float32(transform.ratio), 0, limit)
    return restored


MAX_IMAGES = 64
"""Images per launch; see :data:`cuda_plugins.letterbox.MAX_IMAGES`."""
MAX_CLASSES = 2048
"""Classes from this number on cannot be filtered by number."""
MAX_ROWS = 1 << 29
THREADS = 1024

TRANSFORM = struct(*((name, np.float32) for name in ("ratio", "left", "top", "width", "height")))
NMS = struct(
    ("transforms", TRANSFORM, MAX_IMAGES),
    ("allowed", np.uint32, MAX_CLASSES // 32),
    ("boxes", np.uintp),
    ("scores", np.uintp),
    ("classes", np.uintp),
    ("counts", np.uintp),
    ("detections", np.uintp),
    ("rows", np.int32),
    ("is_filtered", np.int32),
    ("conf", np.float32),
    ("iou", np.float32),
    ("max_det", np.int32),
    ("max_candidates", np.int32),
)


@dataclass(frozen=True)
class CandidateArrays:
    """The contiguous outputs of a decode step in device memory.

    Attributes:
        boxes: Address of float32 [B, rows, 4], aligned to 16 bytes.
        scores: Address of float32 [B, rows].
        classes: Address of int32 [B, rows].
        rows: Rows per image.
    """

    boxes: int
    scores: int
    classes: int
    rows: int

    def after(self, images: int) -> CandidateArrays:
        """Return the arrays without the first ``images`` images."""
        rows = images * self.rows
        return CandidateArrays(self.boxes + 16 * rows, self.scores + 4 * rows, self.classes + 4 * rows, self.rows)


def nms_launches(
    candidates: CandidateArrays, transforms: Sequence[ImageTransform], counts: int, detections: int, wanted: Suppression
) -> list[Launch]:
    """Return the launches that apply NMS to a batch: one per 64 images.

    Args:
        candidates: The candidates.
        transforms: One per image.
        counts: Address of int32 [B].
        detections: Address of :data:`~cuda_plugins.nms.DETECTION` [B, max_det]. Every row is written.
        wanted: The NMS parameters.

    Raises:
        HooklineError: A number exceeds the limits of the kernel.
    """
    _check(candidates, wanted)
    launches = []
    for start in range(0, len(transforms), MAX_IMAGES):
        part, argument = transforms[start : start + MAX_IMAGES], np.zeros(1, NMS)
        for entry, transform in zip(argument["transforms"][0], part, strict=False):
            for name in TRANSFORM.names or ():
                entry[name] = getattr(transform, name)
        argument["allowed"], argument["is_filtered"] = _bits(wanted.classes), bool(wanted.classes)
        remaining = candidates.after(start)
        argument[["boxes", "scores", "classes", "rows"]] = (
            remaining.boxes,
            remaining.scores,
            remaining.classes,
            remaining.rows,
        )
        argument["counts"] = counts + start * np.dtype(np.int32).itemsize
        argument["detections"] = detections + start * wanted.max_det * DETECTION.itemsize
        argument[["conf", "iou", "max_det"]] = wanted.conf, wanted.iou, wanted.max_det
        argument["max_candidates"] = min(wanted.max_candidates, MAX_ROWS)
        launches.append(Launch("nms", "nms", (len(part), 1, 1), (THREADS, 1, 1), argument))
    return launches


def _check(candidates: CandidateArrays, wanted: Suppression) -> None:
    if not 0 <= candidates.rows < MAX_ROWS:
        raise HooklineError(
            f"the NMS kernel cannot process {candidates.rows} boxes per image", f"give fewer than {MAX_ROWS}"
        )
    if wanted.max_det < 1 or wanted.max_candidates < 1:
        raise HooklineError(
            f"max_det={wanted.max_det} or max_candidates={wanted.max_candidates} is out of range",
            "both must be at least 1",
        )
    if wrong := [number for number in wanted.classes if not 0 <= number < MAX_CLASSES]:
        raise HooklineError(
            f"the NMS kernel cannot select class {wrong[0]}", f"possible: class ids from 0 to {MAX_CLASSES - 1}"
        )


def _bits(classes: Iterable[int]) -> NDArray[np.uint32]:
    """Return one bit per class."""
    flags = np.zeros(MAX_CLASSES, np.uint8)
    flags[np.fromiter(classes, np.intp)] = 1
    return np.packbits(flags, bitorder="little").view("<u4")
