"""The NMS kernel: NumPy twin and launch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct

Floats = NDArray[np.float32]

DETECTION = np.dtype([("box", np.float32, 4), ("score", np.float32), ("label", np.int32)])
"""One box of the result: x1, y1, x2, y2 in pixels of the picture, clipped to it; score; class."""


@dataclass(frozen=True)
class Suppression:
    """Which boxes are kept (docs/contracts.md, NMS).

    Attributes:
        conf: Least score.
        iou: A box that overlaps a better one of its class by more is dropped.
        max_det: At most this many boxes a picture.
        max_candidates: At most this many boxes a picture enter the NMS, best first.
        classes: Only these; all where empty.
    """

    conf: float
    iou: float
    max_det: int = 300
    max_candidates: int = 30_000
    classes: Collection[int] = ()


@dataclass(frozen=True)
class ImageTransform:
    """From network pixels back to those of a picture: x = (x_net - left) / ratio, within its width and height."""

    ratio: float
    left: float
    top: float
    width: float
    height: float


def nms(
    boxes: Floats, scores: Floats, classes: NDArray[np.int32], origins: Sequence[ImageTransform], wanted: Suppression
) -> tuple[NDArray[np.int32], NDArray[np.void]]:
    """Greedy and class-aware: the best box stays, those of its class that overlap it too much go, and so on.

    Equal scores are taken by row. Everything is computed in float32.

    Args:
        boxes: float32 [B, N, 4], x1, y1, x2, y2 in network pixels.
        scores: float32 [B, N]; a row is a candidate where it is above zero.
        classes: int32 [B, N].
        origins: Of each picture.
        wanted: Which are kept.

    Returns:
        How many boxes each picture has, [B], and the boxes, :data:`DETECTION` [B, max_det], best first; those
        behind the count are zero.
    """
    counts = np.zeros(len(scores), np.int32)
    found = np.zeros((len(scores), wanted.max_det), DETECTION)
    for picture, origin in enumerate(origins):
        kept = _suppress(boxes[picture], scores[picture], classes[picture], wanted)
        rows = found[picture, : len(kept)]
        rows["box"] = _restored(boxes[picture][kept], origin)
        rows["score"], rows["label"] = scores[picture][kept], classes[picture][kept]
        counts[picture] = len(kept)
    return counts, found


def _suppress(boxes: Floats, scores: Floats, classes: NDArray[np.int32], wanted: Suppression) -> list[int]:
    """Rows kept, best first."""
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


def _restored(boxes: Floats, origin: ImageTransform) -> Floats:
    offset = np.asarray([origin.left, origin.top] * 2, np.float32)
    limit = np.asarray([origin.width, origin.height] * 2, np.float32)
    restored: Floats = np.clip((boxes - offset) / np.float32(origin.ratio), 0, limit)
    return restored


MAX_PICTURES = 64
"""Of one launch; see ``letterbox_launch``."""
MAX_CLASSES = 2048
"""Only classes below it can be asked for by number."""
MAX_ROWS = 1 << 29
THREADS = 1024

ORIGIN = struct(*((name, np.float32) for name in ("ratio", "left", "top", "width", "height")))
NMS = struct(
    ("origins", ORIGIN, MAX_PICTURES),
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
    """The outputs of a decode on the device, contiguous.

    Attributes:
        boxes: Address of float32 [B, rows, 4], aligned to 16 bytes.
        scores: Address of float32 [B, rows].
        classes: Address of int32 [B, rows].
        rows: Of each picture.
    """

    boxes: int
    scores: int
    classes: int
    rows: int

    def after(self, pictures: int) -> CandidateArrays:
        """Those of the following pictures."""
        rows = pictures * self.rows
        return CandidateArrays(self.boxes + 16 * rows, self.scores + 4 * rows, self.classes + 4 * rows, self.rows)


def nms_launches(
    candidates: CandidateArrays, origins: Sequence[ImageTransform], counts: int, detections: int, wanted: Suppression
) -> list[Launch]:
    """Suppress the candidates of a batch: one launch for every 64 pictures.

    Args:
        candidates: What is looked at.
        origins: Of each picture.
        counts: Address of int32 [B].
        detections: Address of :data:`~cuda_plugins.nms.DETECTION` [B, max_det]. Every row is written.
        wanted: Which are kept.

    Raises:
        HooklineError: Numbers that the kernel does not hold.
    """
    _check(candidates, wanted)
    launches = []
    for start in range(0, len(origins), MAX_PICTURES):
        part, argument = origins[start : start + MAX_PICTURES], np.zeros(1, NMS)
        for entry, origin in zip(argument["origins"][0], part, strict=False):
            for name in ORIGIN.names or ():
                entry[name] = getattr(origin, name)
        argument["allowed"], argument["is_filtered"] = _bits(wanted.classes), bool(wanted.classes)
        ours = candidates.after(start)
        argument[["boxes", "scores", "classes", "rows"]] = ours.boxes, ours.scores, ours.classes, ours.rows
        argument["counts"] = counts + start * np.dtype(np.int32).itemsize
        argument["detections"] = detections + start * wanted.max_det * DETECTION.itemsize
        argument[["conf", "iou", "max_det"]] = wanted.conf, wanted.iou, wanted.max_det
        argument["max_candidates"] = min(wanted.max_candidates, MAX_ROWS)
        launches.append(Launch("nms", "nms", (len(part), 1, 1), (THREADS, 1, 1), argument))
    return launches


def _check(candidates: CandidateArrays, wanted: Suppression) -> None:
    if not 0 <= candidates.rows < MAX_ROWS:
        raise HooklineError(f"{candidates.rows} boxes per image", f"the kernel holds fewer than {MAX_ROWS}")
    if wanted.max_det < 1 or wanted.max_candidates < 1:
        raise HooklineError(
            f"max_det={wanted.max_det}, max_candidates={wanted.max_candidates}", "both are whole numbers from 1"
        )
    if wrong := [number for number in wanted.classes if not 0 <= number < MAX_CLASSES]:
        raise HooklineError(f"class {wrong[0]} is asked for", f"the kernel picks classes from 0 to {MAX_CLASSES - 1}")


def _bits(classes: Iterable[int]) -> NDArray[np.uint32]:
    """A bit for each class."""
    flags = np.zeros(MAX_CLASSES, np.uint8)
    flags[np.fromiter(classes, np.intp)] = 1
    return np.packbits(flags, bitorder="little").view("<u4")
