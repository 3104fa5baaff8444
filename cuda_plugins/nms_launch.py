"""How ``nms.cu`` is launched; semantics of :func:`cuda_plugins.nms.nms`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct
from cuda_plugins.nms import DETECTION, Origin, Suppression

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
class Candidates:
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

    def after(self, pictures: int) -> Candidates:
        """Those of the following pictures."""
        rows = pictures * self.rows
        return Candidates(self.boxes + 16 * rows, self.scores + 4 * rows, self.classes + 4 * rows, self.rows)


def nms_launches(
    candidates: Candidates, origins: Sequence[Origin], counts: int, detections: int, wanted: Suppression
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


def _check(candidates: Candidates, wanted: Suppression) -> None:
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
