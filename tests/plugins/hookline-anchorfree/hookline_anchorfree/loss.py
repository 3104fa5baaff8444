"""Which cell learns which object, and the loss.

The assignment is a batched form of what the YOLOX paper calls SimOTA: an object takes the cells around its centre whose
predictions cost the least, as many as the overlaps of its best candidates sum up to.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hookline_anchorfree.cells import Cells, flattened

CANDIDATES = 10
"""Candidates per object: their overlaps determine how many cells it is assigned to."""
OVERLAP_COST = 3.0
FORBIDDEN = 1e6
"""Cost of a cell that is not around the centre."""
PARTS = ("box", "obj", "cls")


@dataclass(frozen=True)
class Objects:
    """The objects of a batch, filled up to the most that an image has.

    Attributes:
        boxes: [B, M, 4], centre x, centre y, width and height in pixels.
        classes: int64 [B, M].
        real: bool [B, M]; the others are filling.
    """

    boxes: Tensor
    classes: Tensor
    real: Tensor


@dataclass(frozen=True)
class Assignment:
    """The positives of a batch.

    Attributes:
        chosen: bool [B, N].
        target: int64 [B, N], the object of each chosen cell.
        overlap: [B, N], of the prediction with that object.
    """

    chosen: Tensor
    target: Tensor
    overlap: Tensor


def objects_of(rows: Tensor, batch: int) -> Objects:
    """Return the objects from rows of image in the batch, class, and box in pixels."""
    images = rows[:, 0].long()
    counts = torch.bincount(images, minlength=batch)
    most = max(int(counts.max()) if len(rows) else 0, 1)
    order = images.argsort(stable=True)
    starts = counts.cumsum(0) - counts
    place = torch.arange(len(rows), device=rows.device) - starts[images[order]]
    boxes = rows.new_ones(batch, most, 4)
    classes = torch.zeros(batch, most, dtype=torch.int64, device=rows.device)
    real = torch.zeros(batch, most, dtype=torch.bool, device=rows.device)
    index = images[order], place
    boxes[index], classes[index], real[index] = rows[order, 2:], rows[order, 1].long(), True
    return Objects(boxes, classes, real)


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of boxes as centre and size; the shapes before the last axis broadcast."""
    low = torch.maximum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.minimum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - shared + 1e-9)


@torch.no_grad()
def assign(predicted: Tensor, boxes: Tensor, cells: Cells, objects: Objects, radius: float) -> Assignment:
    """Choose the cells that learn the objects.

    Args:
        predicted: [B, N, 5 + nc], logits.
        boxes: [B, N, 4], decoded.
        cells: Of the N predictions.
        objects: To be learned.
        radius: Cells within this many strides of the centre may be chosen.
    """
    away = (cells.centres[None, None] - objects.boxes[:, :, None, :2]).abs()
    near = (away < radius * cells.strides).all(-1)
    within = (away < objects.boxes[:, :, None, 2:] / 2).all(-1)
    overlap = overlaps(boxes[:, None], objects.boxes[:, :, None]) * objects.real[..., None]
    cost = _class_cost(predicted, objects) - OVERLAP_COST * (overlap + 1e-8).log()
    cost = cost + FORBIDDEN * ~(near & within) + FORBIDDEN * ~near
    wanted = overlap.topk(min(CANDIDATES, overlap.shape[-1]), -1).values.sum(-1).int().clamp(min=1)
    ranks = cost.argsort(-1).argsort(-1)
    taken = (ranks < wanted[..., None]) & (near | within) & objects.real[..., None]
    cheapest = torch.where(taken, cost, torch.inf).argmin(1)  # a cell that several objects take learns the cheapest
    return Assignment(taken.any(1), cheapest, overlap.gather(1, cheapest[:, None])[:, 0])


def _class_cost(predicted: Tensor, objects: Objects) -> Tensor:
    """Return [B, M, N]: cross entropy of the scores with the class of each object."""
    scores = (predicted[..., 5:].sigmoid() * predicted[..., 4:5].sigmoid()).sqrt().clamp(1e-6, 1 - 1e-6)
    against = -(1 - scores).log()
    gain = -scores.log() - against
    of_class = gain.gather(2, objects.classes[:, None].expand(-1, scores.shape[1], -1))
    return (against.sum(-1, keepdim=True) + of_class).transpose(1, 2)


@dataclass(frozen=True)
class DetectionLoss:
    """Mean loss per positive cell.

    Attributes:
        radius: As for :func:`assign`.
        box_weight: Weight of the box term.
    """

    radius: float
    box_weight: float

    def __call__(self, levels: list[Tensor], objects: Objects) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of logits per level, and its parts by name."""
        predicted, cells = flattened(levels)
        boxes = cells.boxes(predicted)
        assignment = assign(predicted, boxes, cells, objects, self.radius)
        chosen = assignment.chosen
        count = chosen.sum().clamp(min=1)
        targets = objects.boxes.gather(1, assignment.target[..., None].expand(-1, -1, 4))[chosen]
        overlap = overlaps(boxes[chosen], targets)
        classes = objects.classes.gather(1, assignment.target)[chosen]
        wanted = functional.one_hot(classes, predicted.shape[-1] - 5) * assignment.overlap[chosen][:, None]
        box = self.box_weight * (1 - overlap.square()).sum() / count
        objectness = functional.binary_cross_entropy_with_logits(
            predicted[..., 4], chosen.to(predicted.dtype), reduction="sum"
        )
        scores = functional.binary_cross_entropy_with_logits(predicted[..., 5:][chosen], wanted, reduction="sum")
        terms = box, objectness / count, scores / count
        return torch.stack(terms).sum(), {name: float(term.detach()) for name, term in zip(PARTS, terms, strict=True)}
