"""Which images each batch of an epoch holds, the same for every number of processes and workers; image weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.samples import Draw, LabelledImage, Purpose, Shape, generator


def image_weights(samples: Sequence[LabelledImage], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the objects of a picture of (1 - mAP of the class)^2 / objects of that class in all pictures.

    A picture without objects has no weight, and is not drawn.

    Args:
        samples: Pictures and their objects.
        scores: mAP of every class, [nc], 0 where it is not known.

    Returns:
        Probabilities, [len(samples)], of sum 1; all alike where no class needs more.
    """
    counts = np.array([np.bincount(sample.classes, minlength=len(scores)) for sample in samples], np.float64)
    weights: NDArray[np.float64] = counts @ ((1 - scores) ** 2 / np.maximum(counts.sum(0), 1))
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(samples), 1 / len(samples))


Group = tuple[Shape | None, NDArray[np.int64]]
"""The shape of a batch, None for a square, and its samples."""


@dataclass(frozen=True, kw_only=True)
class EpochSampler:
    """Every sample once an epoch, in random order.

    Process ``rank`` of ``world`` takes every ``world``-th picture of each batch, so that all processes together
    train on what one alone would. Where the samples cannot be divided among the processes, the first of the
    order come a second time.

    Attributes:
        count: Samples; at least 1.
        batch: Pictures a batch of all processes together, a multiple of ``world``.
        seed: Of the training.
        rank, world: This process among its like.
        shapes: For rectangular batches, the smallest network input that holds each sample (see
            :func:`smallest_shapes`); pictures of similar shape then come together, and the batches in random order.
    """

    count: int
    batch: int
    seed: int
    rank: int = 0
    world: int = 1
    shapes: Mapping[int, Shape] | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.batch < 1:
            raise ValueError(f"{self.count} samples in batches of {self.batch}: both must be at least 1")
        if self.batch % self.world:
            raise ValueError(f"a batch of {self.batch} cannot be divided among {self.world} processes")

    def __len__(self) -> int:
        """Batches an epoch, the last of which may be smaller."""
        return math.ceil(self._padded / self.batch)

    @property
    def largest_batch(self) -> int:
        """Most pictures that one process gets at once."""
        return min(self.batch, self._padded) // self.world

    @property
    def _padded(self) -> int:
        return -(-self.count // self.world) * self.world

    def batches(self, epoch: int, weights: NDArray[np.float64] | None = None) -> list[list[Draw]]:
        """The batches of this process.

        Args:
            epoch: From 0; with the seed it decides the order.
            weights: [count], not negative: draw with these probabilities instead, some samples more than once.
        """
        rng = generator(self.seed, Purpose.ORDER, epoch)
        order = np.resize(self._order(rng, weights), self._padded)
        groups: list[Group] = [(None, part) for part in _cut(order, self.batch)]
        if self.shapes is not None:
            groups = _rectangular(order, self.batch, self.shapes, rng)
        starts = np.cumsum([0, *(len(part) for _, part in groups)])
        return [
            [
                Draw(epoch, int(part[place]), int(start) + place, shape)
                for place in range(self.rank, len(part), self.world)
            ]
            for start, (shape, part) in zip(starts, groups, strict=False)
        ]

    def _order(self, rng: np.random.Generator, weights: NDArray[np.float64] | None) -> NDArray[np.int64]:
        if weights is None:
            return rng.permutation(self.count)
        return rng.choice(self.count, self.count, p=weights / weights.sum())


def smallest_shapes(sizes: Sequence[Shape], imgsz: int, stride: int) -> dict[int, Shape]:
    """For each picture the smallest input that holds it when its longer side is ``imgsz``.

    Args:
        sizes: Height and width of each picture.
        imgsz: Longer side, a multiple of the stride.
        stride: Sides are multiples of it.
    """
    shapes = {}
    for index, size in enumerate(sizes):
        ratio = imgsz / max(size)
        height, width = (-(-max(round(side * ratio), 1) // stride) * stride for side in size)
        shapes[index] = (height, width)
    return shapes


def _rectangular(
    order: NDArray[np.int64], batch: int, shapes: Mapping[int, Shape], rng: np.random.Generator
) -> list[Group]:
    """Batches of similar pictures with the shape that holds all of them, in random order."""
    tall = np.array([shapes[index][0] / shapes[index][1] for index in order])
    parts = _cut(order[np.argsort(tall, kind="stable")], batch)
    groups: list[Group] = []
    for number in rng.permutation(len(parts)):
        heights, widths = zip(*(shapes[index] for index in parts[number]), strict=True)
        groups.append(((max(heights), max(widths)), parts[number]))
    return groups


def _cut(order: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    return [order[start : start + batch] for start in range(0, len(order), batch)]
