"""The NumPy twin of the NMS kernel: the plain loop that it is compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
class Origin:
    """From network pixels back to those of a picture: x = (x_net - left) / ratio, within its width and height."""

    ratio: float
    left: float
    top: float
    width: float
    height: float


def nms(
    boxes: Floats, scores: Floats, classes: NDArray[np.int32], origins: Sequence[Origin], wanted: Suppression
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


def _restored(boxes: Floats, origin: Origin) -> Floats:
    offset = np.asarray([origin.left, origin.top] * 2, np.float32)
    limit = np.asarray([origin.width, origin.height] * 2, np.float32)
    restored: Floats = np.clip((boxes - offset) / np.float32(origin.ratio), 0, limit)
    return restored
