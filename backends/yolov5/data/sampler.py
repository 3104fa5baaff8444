"""Order and batches of an epoch, the same for any number of processes and workers, and image weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.yolov5.data.samples import Draw, LabelledImage, Purpose, Shape, generator


def image_weights(samples: Sequence[LabelledImage], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each image: the sum over its objects of (1 - mAP)^2 / number of objects of the class.

    An image without objects has probability 0.

    Args:
        samples: Images and their objects.
        scores: mAP of each class, [nc]; 0 if unknown.

    Returns:
        Probabilities [len(samples)] with sum 1; equal ones if all weights are 0.
    """
    counts = np.array([np.bincount(sample.classes, minlength=len(scores)) for sample in samples], np.float64)
    weights: NDArray[np.float64] = counts @ ((1 - scores) ** 2 / np.maximum(counts.sum(0), 1))
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(samples), 1 / len(samples))


Group = tuple[Shape | None, NDArray[np.int64]]
"""Input shape of a batch, None for a square, and its samples."""


@dataclass(frozen=True, kw_only=True)
class EpochSampler:
    """Draws every sample once per epoch, in random order.

    Rank ``rank`` of ``world_size`` takes every ``world_size``-th image of each batch, so that all ranks together train
    on the batches of a single process. If the samples cannot be divided evenly, the first ones are drawn twice.

    Attributes:
        count: Number of samples, at least 1.
        batch: Images per batch, of all processes together; a multiple of ``world_size``.
        seed: Seed of the training.
        rank: Rank of this process.
        world_size: Number of training processes.
        shapes: For rectangular batches, the smallest network input of each sample (see :func:`smallest_shapes`). Images
            of similar shape then share a batch, and the batches have a random order.
    """

    count: int
    batch: int
    seed: int
    rank: int = 0
    world_size: int = 1
    shapes: Mapping[int, Shape] | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.batch < 1:
            raise ValueError(f"{self.count} samples in batches of {self.batch}: both must be at least 1")
        if self.batch % self.world_size:
            raise ValueError(f"a batch of {self.batch} cannot be divided among {self.world_size} processes")

    def __len__(self) -> int:
        """Return the number of batches per epoch; the last batch may be smaller."""
        return math.ceil(self._padded / self.batch)

    @property
    def largest_batch(self) -> int:
        """Maximum number of images in a batch of this process."""
        return min(self.batch, self._padded) // self.world_size

    @property
    def _padded(self) -> int:
        return -(-self.count // self.world_size) * self.world_size

    def batches(self, epoch: int, weights: NDArray[np.float64] | None = None) -> list[list[Draw]]:
        """Return the batches of this process.

        Args:
            epoch: Epoch from 0; with the seed it determines the order.
            weights: Draw with these weights [count] and replacement; None: each sample once.
        """
        rng = generator(self.seed, Purpose.ORDER, epoch)
        order = np.resize(self._order(rng, weights), self._padded)
        groups: list[Group] = [(None, part) for part in _cut(order, self.batch)]
        if self.shapes is not None:
            groups = _rectangular(order, self.batch, self.shapes, rng)
        starts = np.cumsum([0, *(len(part) for _, part in groups)])
        return [
            [
                Draw(epoch, int(part[position]), int(start) + position, shape)
                for position in range(self.rank, len(part), self.world_size)
            ]
            for start, (shape, part) in zip(starts, groups, strict=False)
        ]

    def _order(self, rng: np.random.Generator, weights: NDArray[np.float64] | None) -> NDArray[np.int64]:
        if weights is None:
            return rng.permutation(self.count)
        return rng.choice(self.count, self.count, p=weights / weights.sum())


def smallest_shapes(sizes: Sequence[Shape], imgsz: int, stride: int) -> dict[int, Shape]:
    """Return for each image the smallest network input that it fits into when its longer side is ``imgsz``.

    Args:
        sizes: Height and width of each image in pixels.
        imgsz: Longer side in pixels, a multiple of the stride.
        stride: Largest stride of the network; sides are multiples of it.
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
    """Return batches of images with similar aspect ratio, each with the shape that all of them fit into."""
    ratios = np.array([shapes[index][0] / shapes[index][1] for index in order])
    parts = _cut(order[np.argsort(ratios, kind="stable")], batch)
    groups: list[Group] = []
    for number in rng.permutation(len(parts)):
        heights, widths = zip(*(shapes[index] for index in parts[number]), strict=True)
        groups.append(((max(heights), max(widths)), parts[number]))
    return groups


def _cut(order: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    return [order[start : start + batch] for start in range(0, len(order), batch)]
