"""The NumPy twin of ``YoloLayer_TRT``: the reference that kernels and graphs are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.errors import HooklineError
from cuda_plugins.signature import BOXES, CLASSES, NUM, SCORES

Floats = NDArray[np.float32]


def yolo_layer(
    heads: Sequence[Floats], *, max_stride: int, num_classes: int, anchors: Sequence[float], threshold: float
) -> dict[str, NDArray[np.number]]:
    """Decode heads to boxes, as docs/contracts.md defines it.

    Args:
        heads: Per level, small stride first: float32 [B, A*(5+nc), H, W], sigmoid applied.
        max_stride: Stride of the last level, in pixels.
        num_classes: nc.
        anchors: w, h in pixels of the network input, A pairs a level, levels in the order of ``heads``.
        threshold: Cells with an objectness below it are dropped, 0..1.

    Returns:
        The four outputs by name; N = A * sum(H*W). Rows stand in the order of picture, level, anchor,
        y, x, without gaps; rows that are not used are zero.

    Raises:
        HooklineError: The channels of a head do not fit anchors and classes.
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
    for picture in range(batch):
        kept = [_decode(level[picture], pair, network, threshold) for level, pair in zip(levels, pairs, strict=True)]
        boxes, scores, classes = (np.concatenate(part) for part in zip(*kept, strict=True))
        count = len(scores)
        outputs[NUM][picture] = count
        outputs[BOXES][picture, :count] = boxes
        outputs[SCORES][picture, :count] = scores
        outputs[CLASSES][picture, :count] = classes
    return outputs


def _planes(head: Floats, anchors: int, num_classes: int) -> Floats:
    """[B, A*(5+nc), H, W] as [B, A, 5+nc, H, W]."""
    batch, channels, height, width = head.shape
    if channels != (wanted := anchors * (5 + num_classes)):
        raise HooklineError(
            f"a head has {channels} channels", f"{anchors} anchors and {num_classes} classes need {wanted}"
        )
    return head.reshape(batch, anchors, 5 + num_classes, height, width)


def _decode(
    planes: Floats, anchors: Floats, network: Floats, threshold: float
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Boxes [n, 4], scores [n] and classes [n] of one picture's level, [A, 5+nc, H, W]."""
    anchor, y, x = np.nonzero(planes[:, 4] >= np.float32(threshold))
    rows = planes[anchor, :, y, x]
    stride = network / np.array(planes.shape[:1:-1], np.float32)
    centre = (rows[:, 0:2] * 2 - np.float32(0.5) + np.stack([x, y], 1).astype(np.float32)) * stride
    half = (rows[:, 2:4] * 2) ** 2 * anchors[anchor] * np.float32(0.5)
    scores = rows[:, 4] * rows[:, 5:].max(1)
    return np.concatenate([centre - half, centre + half], 1), scores, rows[:, 5:].argmax(1)
