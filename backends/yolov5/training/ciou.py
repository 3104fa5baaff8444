"""Complete IoU of pairs of boxes (Zheng et al., arXiv:1911.08287)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPSILON = 1e-7
"""Keeps the quotients finite for boxes without area."""


def ciou(boxes: Tensor, others: Tensor) -> Tensor:
    """CIoU = IoU - d^2/c^2 - alpha*v, -1.5..1; alpha counts as a constant for the gradient, as in the paper.

    d is the distance of the centres, c the diagonal of the box around both,
    v = (2/pi * (atan(w'/h') - atan(w/h)))^2 and alpha = v / (1 - IoU + v).

    Args:
        boxes: cx, cy, w, h, [n, 4].
        others: As many, in the same unit.

    Returns:
        [n].
    """
    low, high = _corners(boxes)
    other_low, other_high = _corners(others)
    overlap = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(min=0).prod(1)
    iou = overlap / (boxes[:, 2:].prod(1) + others[:, 2:].prod(1) - overlap + EPSILON)

    around = torch.maximum(high, other_high) - torch.minimum(low, other_low)
    apart = (boxes[:, :2] - others[:, :2]).square().sum(1) / (around.square().sum(1) + EPSILON)
    shape = (2 / math.pi * (_slope(others) - _slope(boxes))).square()
    with torch.no_grad():
        alpha = shape / (1 - iou + shape + EPSILON)
    return iou - apart - alpha * shape


def _corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    half = boxes[:, 2:] / 2
    return boxes[:, :2] - half, boxes[:, :2] + half


def _slope(boxes: Tensor) -> Tensor:
    return torch.atan(boxes[:, 2] / (boxes[:, 3] + EPSILON))
