"""Images and objects of a training, as the network is to see them: top left, 114, BGR, 0..255."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hookline import TrainingImage, TrainingJob

BORDER = 114


def batches(job: TrainingJob, size: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the images of one epoch in random order.

    Args:
        job: Images, objects and side of the input.
        size: Images per batch.
        rng: Of the order and of the changes.

    Yields:
        float32 [B, 3, side, side], and objects [n, 6]: image, class, centre x, centre y, width, height in pixels.
    """
    order = rng.permutation(len(job.images))
    for start in range(0, len(order), size):
        drawn = [changed(job, job.images[index], rng) for index in order[start : start + size]]
        images = np.stack([image for image, _ in drawn]).transpose(0, 3, 1, 2)
        rows = [np.column_stack([np.full(len(objects), index), objects]) for index, (_, objects) in enumerate(drawn)]
        yield (
            torch.from_numpy(np.ascontiguousarray(images, np.float32)),
            torch.from_numpy(np.concatenate(rows).astype(np.float32)),
        )


def changed(
    job: TrainingJob, picture: TrainingImage, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return one image [side, side, 3], mirrored at random and at most as large as the input, and its objects."""
    image = job.read(picture.path)
    height, width = image.shape[:2]
    ratio = job.imgsz / max(height, width) * rng.uniform(0.7, 1.0)
    boxes = picture.labels.boxes.copy()
    for axis in (0, 1):  # x is column 0 of the boxes and axis 1 of the image
        if rng.random() < 0.5:
            image, boxes[:, axis] = np.flip(image, 1 - axis), 1 - boxes[:, axis]
    rows, columns = max(1, round(height * ratio)), max(1, round(width * ratio))
    canvas = np.full((job.imgsz, job.imgsz, 3), BORDER, np.uint8)
    canvas[:rows, :columns] = cv2.resize(np.ascontiguousarray(image), (columns, rows))
    pixels = boxes * ([width * ratio, height * ratio] * 2)
    return canvas, np.column_stack([picture.labels.classes, pixels])
