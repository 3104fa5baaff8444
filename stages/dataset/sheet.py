"""A page of sample pictures with their boxes. Heavy: imports OpenCV."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import cv2

from core.dataset import Sample
from core.drawing.tiles import Tiles, label_page, write_jpeg
from core.labels import load_labels
from core.media.limits import MAX_PIXELS
from core.media.picture import read_picture

PICTURES = 16
COLUMNS = 4
TILES = Tiles(side=360, gap=8, caption=13, enlarging=cv2.INTER_NEAREST)  # as the label tools show small pictures


def sample_sheet(
    samples: Sequence[Sample], names: Sequence[str], seed: int, target: Path, max_pixels: int = MAX_PIXELS
) -> None:
    """Write a JPEG of up to 16 of the pictures, drawn by ``seed``, in the order of the split.

    Args:
        samples: At least one; all can be read.
        names: Class names.
        seed: Of the choice.
        target: The file.
        max_pixels: Maximum width x height of a picture.
    """
    chosen = sorted(random.Random(seed).sample(range(len(samples)), min(PICTURES, len(samples))))
    items = (
        (read_picture(sample.picture, max_pixels), load_labels(sample, names), sample.picture.name)
        for sample in (samples[index] for index in chosen)
    )
    write_jpeg(label_page(items, names, TILES, COLUMNS), target)
