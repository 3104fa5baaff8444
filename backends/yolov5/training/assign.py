"""Complete IoU (CIoU, Zheng et al., arXiv:1911.08287), and the assignment of labelled boxes to cells and anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-7
"""Added to denominators, so that boxes without area give finite values."""
NEAR = 0.5
"""A box is also assigned to the neighbour cell if its centre is closer than this to the common side, in cells."""


def ciou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return CIoU = IoU - d^2/c^2 - alpha*v, -1.5..1; alpha has no gradient, as in the paper.

    d is the distance of the centres, c the diagonal of the enclosing box,
    v = (2/pi * (atan(w'/h') - atan(w/h)))^2 and alpha = v / (1 - IoU + v).

    Args:
        boxes: cx, cy, w, h, [n, 4].
        others: The other boxes in the same unit, [n, 4].

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


class Assigned(NamedTuple):
    """The n positives of one level; a box may have several.

    Attributes:
        image: Index of the image in the batch, int64 [n].
        anchor: Index of the anchor in the level, int64 [n].
        gy: Row of the cell, int64 [n].
        gx: Column of the cell, int64 [n].
        box: Centre relative to the corner of the cell, -0.5..1.5, and width and height, all in cells: [n, 4].
        category: Class id, int64 [n].
        size: Width and height of the anchor in cells, [n, 2].
    """

    image: Tensor
    anchor: Tensor
    gy: Tensor
    gx: Tensor
    box: Tensor
    category: Tensor
    size: Tensor


def assign(
    targets: Tensor, shapes: Sequence[tuple[int, int]], anchors: Sequence[Tensor], anchor_t: float
) -> list[Assigned]:
    """Return the positives of each level (docs/contracts.md).

    A box matches an anchor if the ratio of their widths and that of their heights, or its inverse, are below
    ``anchor_t``. The positives are the cell of its centre, the nearest horizontal neighbour and the nearest vertical
    neighbour, if they are inside the grid; a centre exactly in the middle of a cell has no neighbours. Rows are ordered
    by cell (own, left, up, right, down), then anchor, then target.

    Args:
        targets: Image, class, cx, cy, w, h as fractions of the network input, [N, 6].
        shapes: Height and width of each level in cells.
        anchors: Width and height in cells, [A, 2] per level, on the device of ``targets``.
        anchor_t: Maximum ratio of sides, exclusive.
    """
    return [_assign(targets, shape, sizes, anchor_t) for shape, sizes in zip(shapes, anchors, strict=True)]


def _assign(targets: Tensor, shape: tuple[int, int], anchors: Tensor, anchor_t: float) -> Assigned:
    grid = targets.new_tensor((shape[1], shape[0]))
    size = targets[:, 4:6] * grid
    ratio = size / anchors[:, None]
    anchor, row = (torch.maximum(ratio, 1 / ratio).amax(2) < anchor_t).nonzero(as_tuple=True)

    centre = targets[row, 2:4] * grid
    last = (grid - 1).long()
    own = torch.minimum(centre.long().clamp_(min=0), last)
    steps = targets.new_tensor(((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1)), dtype=torch.long)
    step, match = _near(centre, own, grid).nonzero(as_tuple=True)

    cell = own[match] + steps[step]
    row, anchor = row[match], anchor[match]
    label = targets[row, :2].long()
    box = torch.cat((centre[match] - cell, size[row]), 1)
    return Assigned(label[:, 0], anchor, cell[:, 1], cell[:, 0], box, label[:, 1], anchors[anchor])


def _near(centre: Tensor, own: Tensor, grid: Tensor) -> Tensor:
    """Return which of the own cell, left, up, right and down neighbour are positives: bool [5, n]."""
    within = centre - own
    before = (within < NEAR) & (centre > 1)
    after = (within > 1 - NEAR) & (centre < grid - 1)
    return torch.cat((torch.ones_like(before[:, :1]), before, after), 1).T
