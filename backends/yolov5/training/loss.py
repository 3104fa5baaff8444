"""The loss of YOLOv5: CIoU of the positives, cross entropy of objectness everywhere and of classes."""

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
"""Outputs of the sigmoid closer than this to 0 or 1 count as this far from it: their logits would be infinite."""


class DetectionLoss:
    """The loss of docs/contracts.md.

    Args:
        config: Anchors, strides and classes of the network.
        options: Gains of the terms, before they are scaled to levels, classes and ``imgsz``.
        imgsz: Nominal side of the network's input in pixels.
    """

    def __init__(self, config: ModelConfig, options: TrainingOptions, imgsz: int) -> None:
        self.config, self.options = config, options
        share = 3 / config.levels
        self.box_gain = options.box * share
        self.obj_gain = options.obj * share * (imgsz / 640) ** 2
        self.cls_gain = options.cls * share * config.num_classes / 80
        strides = torch.tensor(config.strides, dtype=torch.float64).view(-1, 1, 1)
        self._anchors = torch.tensor(config.anchors, dtype=torch.float64).view(config.levels, -1, 2) / strides

    def __call__(self, logits: Sequence[Tensor], targets: Tensor, *, activated: bool = False) -> tuple[Tensor, Tensor]:
        """The loss of a batch, computed in float32 (float64 where the logits are).

        Args:
            logits: [B, A*(5+nc), H/s, W/s] a level, in any memory format; float16 and bfloat16 will do.
            targets: Picture, class, cx, cy, w, h as fractions of the network's input, [N, 6]; N may be 0.
            activated: ``logits`` are outputs of the sigmoid instead, as inference gives them.

        Returns:
            The sum of the parts times B, a scalar to differentiate; and the parts box, objectness and class
            with their gains, [3], detached.
        """
        dtype = torch.promote_types(logits[0].dtype, torch.float32)
        anchors = self._anchors = self._anchors.to(logits[0].device)
        shapes = [(level.shape[2], level.shape[3]) for level in logits]
        positives = assign(targets.to(dtype), shapes, anchors.to(dtype).unbind(), self.options.anchor_t)

        parts = torch.zeros(3, dtype=dtype, device=targets.device)
        for level, found, balance in zip(logits, positives, BALANCE[self.config.levels], strict=True):
            box, obj, cls = self._level(level, found, dtype, activated=activated)
            parts = parts + torch.stack((box * self.box_gain, obj * (balance * self.obj_gain), cls * self.cls_gain))
        return parts.sum() * logits[0].shape[0], parts.detach()

    def _level(
        self, logits: Tensor, found: Assigned, dtype: torch.dtype, *, activated: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, objectness = _pick(logits, found, self.config.anchors_per_level, dtype)
        if activated:
            rows, objectness = rows.logit(eps=SATURATED), objectness.logit(eps=SATURATED)
        goal = torch.zeros_like(objectness, memory_format=torch.contiguous_format)
        if not len(rows):
            nothing = goal.new_zeros(())
            return nothing, self._entropy(objectness, goal, self.options.obj_pw), nothing

        overlap = ciou(_decode(rows, found), found.box)
        _, anchors, height, width = objectness.shape
        place = ((found.picture * anchors + found.anchor) * height + found.gy) * width + found.gx
        # where boxes share a cell and an anchor the best fit counts, whatever their order
        goal.view(-1).scatter_reduce_(0, place, overlap.detach().clamp(min=0), "amax")
        cls = self._classes(rows[:, 5:], found.category) if self.config.num_classes > 1 else goal.new_zeros(())
        return (1 - overlap).mean(), self._entropy(objectness, goal, self.options.obj_pw), cls

    def _classes(self, logits: Tensor, category: Tensor) -> Tensor:
        off = self.options.label_smoothing / 2
        goal = torch.full_like(logits, off).scatter_(1, category[:, None], 1 - off)
        return self._entropy(logits, goal, self.options.cls_pw)

    @staticmethod
    def _entropy(logits: Tensor, goal: Tensor, positive: float) -> Tensor:
        weight = None if positive == 1 else goal.new_tensor(positive)
        return binary_cross_entropy_with_logits(logits, goal, pos_weight=weight)


def _decode(rows: Tensor, found: Assigned) -> Tensor:
    """Box logits to centre and size in cells, relative to the cell's corner: [n, 4]."""
    share = rows[:, :4].sigmoid() * 2
    return torch.cat((share[:, :2] - 0.5, share[:, 2:].square() * found.size), 1)


def _cells(logits: Tensor, anchors: int) -> Tensor:
    """A view [B, A, 5+nc, H, W]."""
    batch, channels, height, width = logits.shape
    return logits.view(batch, anchors, channels // anchors, height, width)


def _pick(logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The rows of the positives [n, 5+nc] and the plane of objectness [B, A, H, W], without copying the rest."""
    rows, objectness = _Pick.apply(logits, found, anchors, dtype)  # type: ignore[no-untyped-call]
    return rows, objectness


class _Context(Protocol):
    """What :class:`_Pick` keeps from the forward to the backward pass, in an object of PyTorch."""

    places: tuple[Tensor, Tensor, Tensor, Tensor]
    like: Tensor
    anchors: int


class _Pick(torch.autograd.Function):
    """The gradient is one tensor in the layout of the logits; autograd would fill two and add them."""

    @staticmethod
    def forward(
        ctx: _Context, logits: Tensor, found: Assigned, anchors: int, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        ctx.places = found.picture, found.anchor, found.gy, found.gx
        ctx.like, ctx.anchors = torch.empty_like(logits, device="meta"), anchors
        cells = _cells(logits, anchors)
        picture, anchor, gy, gx = ctx.places
        return cells[picture, anchor, :, gy, gx].to(dtype), cells[:, :, 4].to(dtype, copy=True).contiguous()

    @staticmethod
    def backward(ctx: _Context, rows: Tensor, objectness: Tensor) -> tuple[Tensor, None, None, None]:
        grad = torch.zeros_like(ctx.like, device=rows.device)
        cells = _cells(grad, ctx.anchors)
        cells[:, :, 4] = objectness.to(grad.dtype)
        batch, anchors, _, height, width = cells.shape
        picture, anchor, gy, gx = ctx.places
        place = ((picture * anchors + anchor) * height + gy) * width + gx
        places, which = torch.unique(place, return_inverse=True)
        picture, anchor, gy, gx = torch.unravel_index(places, (batch, anchors, height, width))
        cells[picture, anchor, :, gy, gx] += _sums(rows, which, len(places)).to(grad.dtype)
        return grad, None, None, None


def _sums(rows: Tensor, which: Tensor, count: int) -> Tensor:
    """The sum of the rows that belong to each of ``count`` cells, always in the same order.

    On a CPU ``index_put_`` adds them in the order in which threads arrive, on a GPU ``index_add_`` does.
    """
    sums = rows.new_zeros(count, rows.shape[1])
    if rows.is_cuda:
        return sums.index_put_((which,), rows, accumulate=True)
    return sums.index_add_(0, which, rows)
