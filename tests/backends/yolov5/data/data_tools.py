"""Samples whose images are made, not read: one rectangle of a colour of its own on black."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from backends.yolov5.data.samples import Image, LabelledImage
from backends.yolov5.training.options import TrainingOptions

PLAIN = TrainingOptions(
    mosaic=0, scale=0, translate=0, hsv_h=0, hsv_s=0, hsv_v=0, fliplr=0
)  # fmt: skip
"""Changes nothing."""

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255))
"""BGR, by class; all at the border of the cube, so that 114 and black are far from each."""


def rectangles(
    count: int, seed: int = 0, sizes: tuple[int, int] = (60, 200)
) -> tuple[list[LabelledImage], Callable[[Path], Image]]:
    """Samples of one box each, class = index, and what reads their images."""
    rng = np.random.default_rng(seed)
    samples, images = [], {}
    for index in range(count):
        height, width = (int(value) for value in rng.integers(*sizes, size=2))
        left, top = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
        right, bottom = int(rng.integers(left + 20, width + 1)), int(rng.integers(top + 20, height + 1))
        image = np.zeros((height, width, 3), np.uint8)
        image[top:bottom, left:right] = COLOURS[index % len(COLOURS)]
        path = Path(f"{index}.png")
        images[path] = image
        box = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height]
        samples.append(LabelledImage(path, np.array([index], np.int32), np.array([box], np.float32)))
    return samples, lambda path: images[path]


def textures(count: int, sizes: tuple[int, int] = (40, 120)) -> tuple[list[LabelledImage], Callable[[Path], Image]]:
    """Samples of random blots with up to four boxes each, some with none, and two ignore regions."""
    rng = np.random.default_rng(1)
    regions = np.random.default_rng(2).uniform(0.2, 0.4, (count, 2, 4)).astype(np.float32)
    samples, images = [], {}
    for index in range(count):
        height, width = (int(value) for value in rng.integers(*sizes, size=2))
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        images[Path(f"{index}.png")] = coarse.repeat(8, 0).repeat(8, 1)[:height, :width].copy()
        boxes = rng.uniform(0.2, 0.4, (int(rng.integers(0, 5)), 4)).astype(np.float32)
        classes = rng.integers(0, 3, len(boxes)).astype(np.int32)
        samples.append(LabelledImage(Path(f"{index}.png"), classes, boxes, regions[index]))
    return samples, lambda path: images[path]
