"""How ``yolo_layer.cu`` is launched; semantics and order of :func:`cuda_plugins.yolo_layer.yolo_layer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct

MAX_LEVELS = 4
MAX_ANCHORS = 8
"""Anchors a level."""
THREADS = 512
CELLS_A_PART = 1024
MAX_PARTS = 32
"""A part of a picture reads the objectness of all cells before it again, so the number of parts is bounded."""
BLOCKS = 528
"""A batch is divided no further than this: four blocks for each of 132 multiprocessors."""

LEVEL = struct(
    ("head", np.uintp),
    ("height", np.int32),
    ("width", np.int32),
    ("first", np.int32),
    ("stride", np.float32, 2),
    ("anchors", np.float32, 2 * MAX_ANCHORS),
)
YOLO_LAYER = struct(
    ("levels", LEVEL, MAX_LEVELS),
    ("level_count", np.int32),
    ("anchor_count", np.int32),
    ("class_count", np.int32),
    ("cell_count", np.int32),
    ("threshold", np.float32),
    ("counts", np.uintp),
    ("boxes", np.uintp),
    ("scores", np.uintp),
    ("classes", np.uintp),
)


@dataclass(frozen=True)
class Head:
    """One level's input: its address on the device, and the height and width of its grid."""

    address: int
    height: int
    width: int


@dataclass(frozen=True)
class Decoded:
    """Addresses of the outputs of ``YoloLayer_TRT`` on the device."""

    counts: int
    boxes: int
    scores: int
    classes: int


def cells(heads: Sequence[Head], anchors: int) -> int:
    """Rows of the outputs: N = anchors a level * sum(H * W)."""
    return anchors * sum(head.height * head.width for head in heads)


def yolo_layer_launch(
    heads: Sequence[Head],
    outputs: Decoded,
    *,
    batch: int,
    max_stride: int,
    num_classes: int,
    anchors: Sequence[float],
    threshold: float,
    half: bool = False,
) -> Launch:
    """Decode all levels of a batch; semantics and order of :func:`cuda_plugins.yolo_layer.yolo_layer`.

    Args:
        heads: Small stride first; contiguous [B, A*(5+nc), H, W].
        outputs: Contiguous int32 [B, 1], float32 [B, N, 4] (aligned to 16 bytes), float32 [B, N], int32 [B, N].
        batch: B.
        max_stride: Stride of the last level in pixels.
        num_classes: nc.
        anchors: w, h in pixels of the network input, A pairs a level, levels in the order of ``heads``.
        threshold: Cells with an objectness below it are dropped.
        half: The heads are float16 instead of float32.

    Raises:
        HooklineError: Levels or anchors that the kernel does not hold.
    """
    pairs = _pairs(anchors, len(heads))
    argument = np.zeros(1, YOLO_LAYER)
    network = np.asarray([heads[-1].width, heads[-1].height], np.float32) * np.float32(max_stride)
    for level, head in enumerate(heads):
        entry = argument["levels"][0, level]
        entry["head"], entry["height"], entry["width"] = head.address, head.height, head.width
        entry["first"] = cells(heads[:level], pairs.shape[1])
        entry["stride"] = network / np.asarray([head.width, head.height], np.float32)
        entry["anchors"][: pairs[level].size] = pairs[level].ravel()
    count = cells(heads, pairs.shape[1])
    values = (len(heads), pairs.shape[1], num_classes, count, threshold)
    argument[["level_count", "anchor_count", "class_count", "cell_count", "threshold"]] = values
    argument[["counts", "boxes", "scores", "classes"]] = (
        outputs.counts, outputs.boxes, outputs.scores, outputs.classes,
    )  # fmt: skip
    return Launch(
        source="yolo_layer",
        kernel="yolo_layer_half" if half else "yolo_layer_float",
        grid=(parts(count, batch), batch, 1),
        block=(THREADS, 1, 1),
        argument=argument,
    )


def _pairs(anchors: Sequence[float], levels: int) -> NDArray[np.float32]:
    """float32 [levels, A, 2]."""
    if not 1 <= levels <= MAX_LEVELS:
        raise HooklineError(f"{levels} heads", f"the kernel decodes 1 to {MAX_LEVELS}")
    values = np.asarray(anchors, np.float32)
    if not values.size or values.size % (2 * levels):
        raise HooklineError(f"{values.size} numbers in anchors", f"{levels} heads need the same number of pairs each")
    if values.size > 2 * MAX_ANCHORS * levels:
        raise HooklineError(f"{values.size // (2 * levels)} anchors a level", f"the kernel holds {MAX_ANCHORS}")
    return values.reshape(levels, -1, 2)


def parts(count: int, batch: int) -> int:
    """Blocks a picture of ``count`` cells."""
    return max(1, min(-(-count // CELLS_A_PART), -(-BLOCKS // batch), MAX_PARTS))
