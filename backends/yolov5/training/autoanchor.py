"""AutoAnchor: the best possible recall of anchors on a data set, and anchors fitted to its boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backends.yolov5.config import Anchors, ModelConfig
from backends.yolov5.errors import TrainingError
from core.errors import counted

Array = NDArray[np.float64]

TARGET_RECALL = 0.98
"""Anchors with at least this best possible recall are kept."""
_SAMPLE = 10_000
_K_MEANS_ROUNDS = 50
_MIN_SIDE = 2.0


def training_sizes(fractions: NDArray[np.floating], image_sizes: ArrayLike, imgsz: int, seed: int) -> Array:
    """Return box sizes at the training size: the longer side of each image becomes ``imgsz`` +/- 10 %.

    Args:
        fractions: Width and height of each box as fractions of its image, [n, 2].
        image_sizes: Width and height of the image of each box in pixels, [n, 2].
        imgsz: Side of the network input in pixels.
        seed: Seed of the random scale.

    Returns:
        Width and height in pixels, [n, 2].
    """
    shapes = np.asarray(image_sizes, np.float64).reshape(-1, 2)
    jitter = np.random.default_rng(seed).uniform(0.9, 1.1, (len(shapes), 1))
    sizes: Array = fractions * shapes * (imgsz * jitter / shapes.max(1, keepdims=True, initial=1))
    return sizes


def best_possible_recall(sizes: Array, anchors: ArrayLike, anchor_t: float) -> float:
    """Return the fraction of boxes that at least one anchor matches; 1 without boxes.

    Args:
        sizes: Width and height in pixels, [n, 2].
        anchors: Width and height in pixels, in any grouping.
        anchor_t: A box matches an anchor if no side differs by this factor or more.
    """
    if not len(sizes):
        return 1.0
    return float((_ratio(_logs(sizes), _logs(_pairs(anchors))) < np.log(anchor_t)).mean())


def fit_anchors(
    sizes: Array, count: int, anchor_t: float, *, seed: int, generations: int = 1000, sample: int = _SAMPLE
) -> Array:
    """Return anchors fitted to the boxes by k-means and a genetic algorithm.

    The fitness is the mean of 1/r over all boxes, where r is the larger ratio of sides between box and best anchor; a
    box with r >= ``anchor_t`` contributes 0.

    Args:
        sizes: Width and height in pixels, [n, 2]; boxes below 2 pixels are ignored.
        count: Number of anchors.
        anchor_t: As in :func:`best_possible_recall`.
        seed: Seed of initial anchors, mutations and sample.
        generations: Number of mutations.
        sample: Maximum number of boxes to use; more are sampled at random.

    Returns:
        Width and height in pixels, sorted by area, [count, 2].

    Raises:
        TrainingError: There are fewer boxes than anchors.
    """
    rng = np.random.default_rng(seed)
    boxes = sizes[(sizes.min(1, initial=np.inf) > 0) & (sizes.max(1, initial=0) >= _MIN_SIDE)]
    if len(boxes) < count:
        raise TrainingError(
            f"too few boxes to fit {counted(count, 'anchor')}: {len(boxes)}", "set train.autoanchor=false"
        )
    if len(boxes) > sample:
        boxes = boxes[np.sort(rng.choice(len(boxes), sample, replace=False))]
    logs = _logs(boxes)
    anchors = _mutate(logs, np.exp(_k_means(logs, count, rng)), anchor_t, generations, rng)
    return anchors[np.argsort(anchors.prod(1), kind="stable")]


def check_anchors(config: ModelConfig, sizes: Array, anchor_t: float, seed: int) -> tuple[Anchors, str]:
    """Return the anchors to train with, and a line that explains the choice.

    The anchors of ``config`` are kept if their best possible recall is at least 0.98, or if fitted anchors are not
    better.

    Args:
        config: Shape of the network.
        sizes: Box sizes from :func:`training_sizes`, [n, 2].
        anchor_t: As in :func:`best_possible_recall`.
        seed: As in :func:`fit_anchors`.
    """
    recall = best_possible_recall(sizes, config.anchors, anchor_t)
    line = f"anchors: best possible recall {recall:.4f} of {counted(len(sizes), 'box')}"
    if recall >= TARGET_RECALL:
        return config.anchors, line
    count = config.levels * config.anchors_per_level
    try:
        fitted = fit_anchors(sizes, count, anchor_t, seed=seed).round(1)
    except TrainingError as error:
        return config.anchors, f"{line}; kept: {error.message}"
    better = best_possible_recall(sizes, fitted, anchor_t)
    if better <= recall:
        return config.anchors, f"{line}; kept: fitted anchors reach {better:.4f}"
    pixels = " ".join(f"{width:g},{height:g}" for width, height in fitted.tolist())
    levels = tuple(tuple(level) for level in fitted.reshape(config.levels, -1).tolist())
    return levels, f"{line}; {better:.4f} with fitted anchors: {pixels}"


def _pairs(anchors: ArrayLike) -> Array:
    return np.asarray(anchors, np.float64).reshape(-1, 2)


def _logs(sizes: Array) -> Array:
    with np.errstate(divide="ignore"):  # a box of size 0 is infinitely far from every anchor
        logs: Array = np.log(sizes)
    return logs


def _ratio(boxes: Array, anchors: Array) -> Array:
    """Return the log of the larger ratio of sides between each box and its best anchor, from logs of sizes: [n]."""
    best = np.full(len(boxes), np.inf)
    for width, height in anchors:
        np.minimum(best, np.maximum(np.abs(boxes[:, 0] - width), np.abs(boxes[:, 1] - height)), out=best)
    return best


def _fitness(boxes: Array, anchors: Array, anchor_t: float) -> float:
    ratio = _ratio(boxes, np.log(anchors))
    return float(np.where(ratio < np.log(anchor_t), np.exp(-ratio), 0).mean())


def _k_means(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the centres of Lloyd's algorithm with k-means++ initialisation, on logs of sizes.

    In pixels, large boxes would attract nearly all centres.
    """
    centres = points[rng.integers(len(points))][None]
    while len(centres) < count:
        apart = _squares(points, centres).min(1)
        weights = apart / apart.sum() if apart.any() else None
        centres = np.concatenate((centres, points[rng.choice(len(points), p=weights)][None]))
    for _ in range(_K_MEANS_ROUNDS):
        nearest = _squares(points, centres).argmin(1)
        moved = np.array([points[nearest == k].mean(0) if k in nearest else centres[k] for k in range(count)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.asarray(centres)


def _squares(points: Array, centres: Array) -> Array:
    squares: Array = np.square(points[:, None] - centres).sum(2)
    return squares


def _mutate(boxes: Array, anchors: Array, anchor_t: float, generations: int, rng: np.random.Generator) -> Array:
    """Scale sides at random by a few percent, and keep anchors with a higher fitness."""
    best = _fitness(boxes, anchors, anchor_t)
    for _ in range(generations):
        strength = rng.uniform(0, 0.1)
        factors = np.exp(strength * rng.standard_normal(anchors.shape) * (rng.random(anchors.shape) < 0.9))
        child = anchors * factors
        fitness = _fitness(boxes, child, anchor_t)
        if fitness > best:
            best, anchors = fitness, child
    return anchors
