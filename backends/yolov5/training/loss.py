"""The loss of YOLOv5: CIoU of the positives, and binary cross entropy of objectness and classes.

A cell whose centre lies inside an ignore region contributes no objectness loss, except for the positives in it. The
objectness loss of a level is the mean over the anchors of cells that count; without regions, over all of them. A region
of one class acts like one of all classes, because objectness has no class. Box and class loss are those of the
positives, to which regions add none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from backends.yolov5.config import ModelConfig
from backends.yolov5.training.assign import Assigned, assign, ciou
from backends.yolov5.training.options import TrainingOptions

BALANCE: Mapping[int, tuple[float, ...]] = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06)}
"""Weight of each level's objectness, small stride first, by the number of levels."""
SATURATED = 1e-7
"""Outputs of the sigmoid are clamped to this distance from 0 and 1, where logits would be infinite."""


class DetectionLoss:
    """The detection loss (docs/contracts.md).

    Args:
        config: Anchors, strides and classes of the network.
        options: Gains of the terms, before scaling with levels, classes and ``imgsz``.
        imgsz: Nominal side of the network input, pixels.
    """

    def __init__(self, config: ModelConfig, options: TrainingOptions, imgsz: int) -> None:
        self.config, self.options = config, options
        share = 3 / config.levels
        self.box_gain = options.box * share
        self.obj_gain = options.obj * share * (imgsz / 640) ** 2
        self.cls_gain = options.cls * share * config.num_classes / 80
        strides = torch.tensor(config.strides, dtype=torch.float64).view(-1, 1, 1)
        self._anchors = torch.tensor(config.anchors, dtype=torch.float64).view(config.levels, -1, 2) / strides

    def __call__(
        self, logits: Sequence[Tensor], targets: Tensor, regions: Tensor | None = None, *, activated: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, computed in float32, or float64 for float64 logits.

        Args:
            logits: [B, A*(5+nc), H/s, W/s] per level, in any memory format and floating-point type.
            targets: Image, class, cx, cy, w, h as fractions of the network input, [N, 6]; N may be 0.
            regions: Ignore regions: image, cx, cy, w, h as fractions of the network input, [M, 5]; None for none.
            activated: ``logits`` are outputs of the sigmoid, as inference returns them.

        Returns:
            The sum of the terms times B, a scalar with gradient; and the terms box, objectness and class with their
            gains, [3], detached.
        """
        dtype = torch.promote_types(logits[0].dtype, torch.float32)
        anchors = self._anchors = self._anchors.to(logits[0].device)
        shapes = [(level.shape[2], level.shape[3]) for level in logits]
        positives = assign(targets.to(dtype), shapes, anchors.to(dtype).unbind(), self.options.anchor_t)

        parts = torch.zeros(3, dtype=dtype, device=targets.device)
        for level, found, balance in zip(logits, positives, BALANCE[self.config.levels], strict=True):
            ignored = _ignored(regions, level) if regions is not None and len(regions) else None
            box, obj, cls = self._level(level, found, ignored, dtype, activated=activated)
            parts = parts + torch.stack((box * self.box_gain, obj * (balance * self.obj_gain), cls * self.cls_gain))
        return parts.sum() * logits[0].shape[0], parts.detach()

    def _level(
        self, logits: Tensor, found: Assigned, ignored: Tensor | None, dtype: torch.dtype, *, activated: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, objectness = _pick(logits, found, self.config.anchors_per_level, dtype)
        if activated:
            rows, objectness = rows.logit(eps=SATURATED), objectness.logit(eps=SATURATED)
        goal = torch.zeros_like(objectness, memory_format=torch.contiguous_format)
        _, anchors, height, width = objectness.shape
        place = ((found.image * anchors + found.anchor) * height + found.gy) * width + found.gx
        counted = None if ignored is None else _counted(ignored, anchors, place)
        if not len(rows):
            nothing = goal.new_zeros(())
            return nothing, self._objectness(objectness, goal, counted), nothing

        overlap = ciou(_decode(rows, found), found.box)
        # if boxes share cell and anchor, the highest overlap is the target, in any order
        goal.view(-1).scatter_reduce_(0, place, overlap.detach().clamp(min=0), "amax")
        cls = self._classes(rows[:, 5:], found.category) if self.config.num_classes > 1 else goal.new_zeros(())
        return (1 - overlap).mean(), self._objectness(objectness, goal, counted), cls

    def _objectness(self, logits: Tensor, goal: Tensor, counted: Tensor | None) -> Tensor:
        """Return the mean over the anchors of cells that are ``counted``, all if it is None; 0 if none is."""
        if counted is None:
            return self._entropy(logits, goal, self.options.obj_pw)
        losses = self._entropy(logits, goal, self.options.obj_pw, reduction="none")
        return torch.where(counted, losses, 0).sum() / counted.sum().clamp(min=1)

    def _classes(self, logits: Tensor, category: Tensor) -> Tensor:
        off = self.options.label_smoothing / 2
        goal = torch.full_like(logits, off).scatter_(1, category[:, None], 1 - off)
        return self._entropy(logits, goal, self.options.cls_pw)

    @staticmethod
    def _entropy(logits: Tensor, goal: Tensor, positive: float, reduction: str = "mean") -> Tensor:
        weight = None if positive == 1 else goal.new_tensor(positive)
        return binary_cross_entropy_with_logits(logits, goal, pos_weight=weight, reduction=reduction)


def _ignored(regions: Tensor, level: Tensor) -> Tensor:
    """Return the cells of a level whose centre is inside a region: bool [B, H, W].

    Args:
        regions: Image, cx, cy, w, h as fractions of the network input, [M, 5].
        level: Logits of the level, [B, C, H, W].
    """
    batch, _, height, width = level.shape
    image, x, y, w, h = regions.T
    (left, right), (top, bottom) = _cell_range(x, w, width), _cell_range(y, h, height)
    steps = torch.zeros(batch, height + 1, width + 1, dtype=torch.int32, device=regions.device)
    one = steps.new_ones(())
    for row, column, step in ((top, left, one), (top, right, -one), (bottom, left, -one), (bottom, right, one)):
        steps.index_put_((image.long(), row, column), step, accumulate=True)
    counts = steps.cumsum(1).cumsum(2)  # the regions around the centre of each cell
    return counts[:, :-1, :-1] > 0


def _cell_range(centre: Tensor, length: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return the first cell along one axis whose centre is inside each interval, and the one after the last."""
    first = ((centre - length / 2) * cells - 0.5).ceil().clamp(0, cells)
    after = ((centre + length / 2) * cells + 0.5).floor().clamp(0, cells)
    return first.long(), torch.maximum(first, after).long()


def _counted(ignored: Tensor, anchors: int, positives: Tensor) -> Tensor:
    """Return which anchors of cells count in the objectness loss: bool [B, A, H, W].

    Args:
        ignored: Cells inside ignore regions, [B, H, W].
        anchors: Number of anchors A.
        positives: Flat indices of the positives in the result.
    """
    counted = (~ignored)[:, None].repeat(1, anchors, 1, 1)
    counted.view(-1)[positives] = True
    return counted


def _decode(rows: Tensor, found: Assigned) -> Tensor:
    """Return the boxes of logits: centre relative to the corner of the cell, and size, in cells: [n, 4]."""
    share = rows[:, :4].sigmoid() * 2
    return torch.cat((share[:, :2] - 0.5, share[:, 2:].square() * found.size), 1)


def _cells(logits: Tensor, anchors: int) -> Tensor:
    """Return a view [B, A, 5+nc, H, W]."""
    batch, channels, height, width = logits.shape
    return logits.view(batch, anchors, channels // anchors, height, width)


def _pick(logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the rows of the positives, [n, 5+nc], and the objectness, [B, A, H, W], without copying the rest."""
    rows, objectness = _Pick.apply(logits, found, anchors, dtype)  # type: ignore[no-untyped-call]
    return rows, objectness


class _Context(Protocol):
    """Attributes that :class:`_Pick` stores in PyTorch's context for the backward pass."""

    places: tuple[Tensor, Tensor, Tensor, Tensor]
    like: Tensor
    anchors: int


class _Pick(torch.autograd.Function):
    """Selection whose gradient is a single tensor in the layout of the logits; autograd would add two."""

    @staticmethod
    def forward(
        ctx: _Context, logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        ctx.places = found.image, found.anchor, found.gy, found.gx
        ctx.like, ctx.anchors = torch.empty_like(logits, device="meta"), anchors
        cells = _cells(logits, anchors)
        image, anchor, gy, gx = ctx.places
        return cells[image, anchor, :, gy, gx].to(dtype), cells[:, :, 4].to(dtype, copy=True).contiguous()

    @staticmethod
    def backward(ctx: _Context, rows: Tensor, objectness: Tensor) -> tuple[Tensor, None, None, None]:
        grad = torch.zeros_like(ctx.like, device=rows.device)
        cells = _cells(grad, ctx.anchors)
        cells[:, :, 4] = objectness.to(grad.dtype)
        batch, anchors, _, height, width = cells.shape
        image, anchor, gy, gx = ctx.places
        place = ((image * anchors + anchor) * height + gy) * width + gx
        places, which = torch.unique(place, return_inverse=True)
        image, anchor, gy, gx = torch.unravel_index(places, (batch, anchors, height, width))
        cells[image, anchor, :, gy, gx] += _sums(rows, which, len(places)).to(grad.dtype)
        return grad, None, None, None


def _sums(rows: Tensor, which: Tensor, count: int) -> Tensor:
    """Return the sum of the rows of each of ``count`` cells, added in a deterministic order.

    ``index_put_`` on a CPU and ``index_add_`` on a GPU add in an order that depends on threads.
    """
    sums = rows.new_zeros(count, rows.shape[1])
    if rows.is_cuda:
        return sums.index_put_((which,), rows, accumulate=True)
    return sums.index_add_(0, which, rows)
