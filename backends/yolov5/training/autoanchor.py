"""Anchors that suit the boxes of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backends.yolov5.config import Anchors, ModelConfig
from backends.yolov5.errors import TrainingError
from core.errors import counted

Array = NDArray[np.float64]

ENOUGH = 0.98
"""With this best possible recall anchors are kept."""
_SAMPLE = 10_000
_ROUNDS = 50
_LEAST = 2.0


def training_sizes(fractions: NDArray[np.floating], pictures: ArrayLike, imgsz: int, seed: int) -> Array:
    """Box sizes as training sees them: its pictures' longer side becomes ``imgsz``, give or take a tenth.

    Args:
        fractions: Width and height of each box as fractions of its picture, [n, 2].
        pictures: Width and height of each box's picture in pixels, [n, 2].
        imgsz: Side of the network's input in pixels.
        seed: Of the tenth.

    Returns:
        Pixels, [n, 2].
    """
    shapes = np.asarray(pictures, np.float64).reshape(-1, 2)
    jitter = np.random.default_rng(seed).uniform(0.9, 1.1, (len(shapes), 1))
    sizes: Array = fractions * shapes * (imgsz * jitter / shapes.max(1, keepdims=True, initial=1))
    return sizes


def best_possible_recall(sizes: Array, anchors: ArrayLike, anchor_t: float) -> float:
    """The fraction of boxes that some anchor matches; 1 where there are no boxes.

    Args:
        sizes: Width and height in pixels, [n, 2].
        anchors: Width and height in pixels, in any grouping.
        anchor_t: A box is matched where no side differs by this factor or more.
    """
    if not len(sizes):
        return 1.0
    return float((_ratio(_logs(sizes), _logs(_pairs(anchors))) < np.log(anchor_t)).mean())


def fit_anchors(
    sizes: Array, count: int, anchor_t: float, *, seed: int, generations: int = 1000, sample: int = _SAMPLE
) -> Array:
    """Anchors for these boxes: k-means, then mutations of which those that fit better survive.

    Fitness is the mean over boxes of 1/r, r the largest ratio of sides to the best anchor, counted where
    r < ``anchor_t``.

    Args:
        sizes: Width and height in pixels, [n, 2]; boxes under 2 pixels are left out.
        count: Number of anchors.
        anchor_t: As in :func:`best_possible_recall`.
        seed: Of starts, mutations and sample.
        generations: Mutations tried.
        sample: Boxes looked at; from more, so many are drawn.

    Returns:
        Width and height in pixels, small area first, [count, 2].

    Raises:
        TrainingError: There are fewer boxes than anchors.
    """
    rng = np.random.default_rng(seed)
    boxes = sizes[(sizes.min(1, initial=np.inf) > 0) & (sizes.max(1, initial=0) >= _LEAST)]
    if len(boxes) < count:
        raise TrainingError(f"too few boxes to fit {counted(count, 'anchor')}: {len(boxes)}", "train.autoanchor=false")
    if len(boxes) > sample:
        boxes = boxes[np.sort(rng.choice(len(boxes), sample, replace=False))]
    logs = _logs(boxes)
    anchors = _mutate(logs, np.exp(_k_means(logs, count, rng)), anchor_t, generations, rng)
    return anchors[np.argsort(anchors.prod(1), kind="stable")]


def check_anchors(config: ModelConfig, sizes: Array, anchor_t: float, seed: int) -> tuple[Anchors, str]:
    """The anchors to train on, and a line that tells why.

    Those of ``config`` are kept where their best possible recall is 0.98 or better, and where fitted ones are
    not better.

    Args:
        config: Of the network.
        sizes: As :func:`training_sizes` gives them, [n, 2].
        anchor_t: As in :func:`best_possible_recall`.
        seed: As in :func:`fit_anchors`.
    """
    recall = best_possible_recall(sizes, config.anchors, anchor_t)
    line = f"anchors: best possible recall {recall:.4f} of {counted(len(sizes), 'box')}"
    if recall >= ENOUGH:
        return config.anchors, line
    count = config.levels * config.anchors_per_level
    try:
        fitted = fit_anchors(sizes, count, anchor_t, seed=seed).round(1)
    except TrainingError as error:
        return config.anchors, f"{line}; kept, for {error.message}"
    better = best_possible_recall(sizes, fitted, anchor_t)
    if better <= recall:
        return config.anchors, f"{line}; kept, for fitted ones reach {better:.4f}"
    pixels = " ".join(f"{width:g},{height:g}" for width, height in fitted.tolist())
    levels = tuple(tuple(level) for level in fitted.reshape(config.levels, -1).tolist())
    return levels, f"{line}; {better:.4f} with anchors fitted to them: {pixels}"


def _pairs(anchors: ArrayLike) -> Array:
    return np.asarray(anchors, np.float64).reshape(-1, 2)


def _logs(sizes: Array) -> Array:
    with np.errstate(divide="ignore"):  # a box without size is infinitely far from every anchor
        logs: Array = np.log(sizes)
    return logs


def _ratio(boxes: Array, anchors: Array) -> Array:
    """The log of the largest ratio of sides between each box and its best anchor, all given as logs: [n]."""
    best = np.full(len(boxes), np.inf)
    for width, height in anchors:
        np.minimum(best, np.maximum(np.abs(boxes[:, 0] - width), np.abs(boxes[:, 1] - height)), out=best)
    return best


def _fitness(boxes: Array, anchors: Array, anchor_t: float) -> float:
    ratio = _ratio(boxes, np.log(anchors))
    return float(np.where(ratio < np.log(anchor_t), np.exp(-ratio), 0).mean())


def _k_means(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Lloyd's algorithm from seeds far apart (k-means++), on logs: what counts between sizes is their ratio.

    In pixels the large boxes would draw nearly all centres to them.
    """
    centres = points[rng.integers(len(points))][None]
    while len(centres) < count:
        apart = _squares(points, centres).min(1)
        weights = apart / apart.sum() if apart.any() else None
        centres = np.concatenate((centres, points[rng.choice(len(points), p=weights)][None]))
    for _ in range(_ROUNDS):
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
    """Scale sides at random, most by a few percent, and keep what fits better."""
    best = _fitness(boxes, anchors, anchor_t)
    for _ in range(generations):
        strength = rng.uniform(0, 0.1)
        factors = np.exp(strength * rng.standard_normal(anchors.shape) * (rng.random(anchors.shape) < 0.9))
        child = anchors * factors
        fitness = _fitness(boxes, child, anchor_t)
        if fitness > best:
            best, anchors = fitness, child
    return anchors
