"""The ``YoloLayer_TRT`` kernel: NumPy twin and launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.launches import Launch, struct
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES
from cuda_plugins.yolo_layer_settings import MAX_ANCHORS, MAX_LEVELS, Settings

Floats = NDArray[np.float32]


def yolo_layer(
    heads: Sequence[Floats], *, max_stride: int, num_classes: int, anchors: Sequence[float], threshold: float
) -> dict[str, NDArray[np.number]]:
    """Decode heads to boxes (docs/contracts.md).

    Args:
        heads: Per level, small stride first: float32 [B, A*(5+nc), H, W], after the sigmoid.
        max_stride: Stride of the last level in pixels.
        num_classes: nc.
        anchors: w, h in network pixels, A pairs per level, levels in the order of ``heads``.
        threshold: Minimum objectness of a cell, 0..1.

    Returns:
        The four outputs by name; N = A * sum(H*W). Rows are ordered by image, level, anchor, y, x, without gaps; the
        remaining rows are zero.

    Raises:
        HooklineError: The channels of a head do not match anchors and classes.
    """
    pairs = np.asarray(anchors, np.float32).reshape(len(heads), -1, 2)
    levels = [_planes(head, len(pair), num_classes) for head, pair in zip(heads, pairs, strict=True)]
    network = np.array(heads[-1].shape[:1:-1], np.float32) * np.float32(max_stride)
    batch, rows = len(heads[0]), sum(level[:, :, 0].size for level in levels) // len(heads[0])
    outputs: dict[str, NDArray[np.number]] = {
        NUM: np.zeros((batch, 1), np.int32),
        BOXES: np.zeros((batch, rows, 4), np.float32),
        SCORES: np.zeros((batch, rows), np.float32),
        CLASSES: np.zeros((batch, rows), np.int32),
    }
    for image in range(batch):
        kept = [_decode(level[image], pair, network, threshold) for level, pair in zip(levels, pairs, strict=True)]
        boxes, scores, classes = (np.concatenate(part) for part in zip(*kept, strict=True))
        count = len(scores)
        outputs[NUM][image] = count
        outputs[BOXES][image, :count] = boxes
        outputs[SCORES][image, :count] = scores
        outputs[CLASSES][image, :count] = classes
    return outputs


def _planes(head: Floats, anchors: int, num_classes: int) -> Floats:
    """Reshape [B, A*(5+nc), H, W] to [B, A, 5+nc, H, W]."""
    batch, channels, height, width = head.shape
    if channels != (wanted := anchors * (5 + num_classes)):
        raise HooklineError(
            f"a head has {channels} channels instead of {wanted}",
            f"give (5 + {num_classes} classes) channels for each of the {anchors} anchors",
        )
    return head.reshape(batch, anchors, 5 + num_classes, height, width)


def _decode(
    planes: Floats, anchors: Floats, network: Floats, threshold: float
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return boxes [n, 4], scores [n] and classes [n] of one level of an image, [A, 5+nc, H, W]."""
    anchor, y, x = np.nonzero(planes[:, 4] >= np.float32(threshold))
    rows = planes[anchor, :, y, x]
    stride = network / np.array(planes.shape[:1:-1], np.float32)
    centre = (rows[:, 0:2] * 2 - np.float32(0.5) + np.stack([x, y], 1).astype(np.float32)) * stride
    half = (rows[:, 2:4] * 2) ** 2 * anchors[anchor] * np.float32(0.5)
    scores = rows[:, 4] * rows[:, 5:].max(1)
    return np.concatenate([centre - half, centre + half], 1), scores, rows[:, 5:].argmax(1)


SOURCE = "yolo_layer"
KERNELS = {False: "yolo_layer_float", True: "yolo_layer_half"}
"""Kernel for heads in float32 (False) and float16 (True)."""
THREADS = 512
CELLS_PER_PART = 1024
MAX_PARTS = 32
"""Maximum number of parts per image: each part reads the objectness of all cells before it."""
BLOCKS = 528
"""Maximum number of blocks per batch: four for each of 132 multiprocessors."""

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
    ("outputs", np.uintp, 4),
)


@dataclass(frozen=True)
class LevelInput:
    """The input of one level: its device address, and the height and width of its grid."""

    address: int
    height: int
    width: int


@dataclass(frozen=True)
class Decoded:
    """Device addresses of contiguous int32 [B, 1], float32 [B, N, 4], float32 [B, N] and int32 [B, N]."""

    counts: int
    boxes: int
    scores: int
    classes: int


def cells(heads: Sequence[LevelInput], anchors: int) -> int:
    """Return the rows of the outputs: N = anchors per level * sum(H * W)."""
    return anchors * sum(head.height * head.width for head in heads)


def yolo_layer_launch(
    heads: Sequence[LevelInput],
    outputs: Decoded,
    *,
    batch: int,
    max_stride: int,
    num_classes: int,
    anchors: Sequence[float],
    threshold: float,
    half: bool = False,
) -> Launch:
    """Return the launch that decodes all levels of a batch.

    Args:
        heads: Small stride first; contiguous [B, A*(5+nc), H, W].
        outputs: Addresses of the outputs.
        batch: B.
        max_stride: Stride of the last level in pixels.
        num_classes: nc.
        anchors: w, h in network pixels, A pairs per level, levels in the order of ``heads``.
        threshold: Minimum objectness of a cell.
        half: The heads are float16 instead of float32.

    Raises:
        HooklineError: The kernel does not support this number of levels or anchors, or the boxes are not aligned.
    """
    pairs = Settings(max_stride, num_classes, tuple(anchors), threshold).pairs(len(heads))
    argument = np.zeros(1, YOLO_LAYER)
    network = np.asarray([heads[-1].width, heads[-1].height], np.float32) * np.float32(max_stride)
    for level, head in enumerate(heads):
        entry = argument["levels"][0, level]
        entry["height"], entry["width"] = head.height, head.width
        entry["first"] = cells(heads[:level], pairs.shape[1])
        entry["stride"] = network / np.asarray([head.width, head.height], np.float32)
        entry["anchors"][: pairs[level].size] = pairs[level].ravel()
    count = cells(heads, pairs.shape[1])
    argument["level_count"], argument["anchor_count"], argument["class_count"] = *pairs.shape[:2], num_classes
    argument["cell_count"], argument["threshold"] = count, threshold
    launch = Launch(
        source=SOURCE,
        kernel=KERNELS[half],
        grid=(parts(count, batch), batch, 1),
        block=(THREADS, 1, 1),
        argument=argument,
    )
    set_addresses(launch, [head.address for head in heads], outputs)
    return launch


def set_addresses(launch: Launch, heads: Sequence[int], outputs: Decoded) -> None:
    """Set the addresses of a launch for data of the same shapes. Launches in progress are not affected.

    Args:
        launch: From :func:`yolo_layer_launch`.
        heads: Device addresses of contiguous [B, A*(5+nc), H, W], one per level.
        outputs: Addresses of the outputs.

    Raises:
        HooklineError: The boxes are not aligned to 16 bytes; the kernel writes each box at once.
    """
    if outputs.boxes % 16:
        raise HooklineError(f"the address {outputs.boxes:#x} of the boxes is not aligned", "align it to 16 bytes")
    launch.argument["levels"]["head"][0, : len(heads)] = heads
    launch.argument["outputs"][0] = (outputs.counts, outputs.boxes, outputs.scores, outputs.classes)


def parts(count: int, batch: int) -> int:
    """Return the blocks per image of ``count`` cells."""
    return max(1, min(-(-count // CELLS_PER_PART), -(-BLOCKS // batch), MAX_PARTS))
