"""A page of sample pictures with their boxes. Heavy: imports OpenCV."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.dataset import Sample
from core.detections import Detections
from core.drawing.boxes import Painter, Writer
from core.labels import Labels, load_labels
from core.media.picture import read_picture

PICTURES = 16
COLUMNS = 4
TILE, GAP, CAPTION = 360, 8, 13
"""Pixels: side of the square that holds a picture, space between two, height of the file names."""
NAME_LENGTH = 44
LARGEST = 4.0
"""Small pictures are enlarged by no more than this."""
QUALITY = 88
WHITE = (255, 255, 255)


def sample_sheet(samples: Sequence[Sample], names: Sequence[str], seed: int, target: Path) -> None:
    """Write a JPEG of up to 16 of the pictures, drawn by ``seed``, in the order of the split.

    Args:
        samples: At least one; all can be read.
        names: Class names.
        seed: Of the choice.
        target: The file.
    """
    chosen = sorted(random.Random(seed).sample(range(len(samples)), min(PICTURES, len(samples))))
    tiles = [_tile(samples[index], names) for index in chosen]
    columns = min(COLUMNS, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    page = cv2.copyMakeBorder(np.vstack(rows), GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=WHITE)
    _, content = cv2.imencode(".jpg", page, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    target.write_bytes(content.tobytes())


def _tile(sample: Sample, names: Sequence[str]) -> NDArray[np.uint8]:
    """The picture at the foot of a white square, its name below, uint8 BGR."""
    picture = _fitted(read_picture(sample.picture))
    height, width = picture.shape[:2]
    drawn = Painter(names, scores=False).draw(picture, _detections(load_labels(sample, names), width, height))
    writer = Writer(CAPTION)
    line = writer.plate("x")[1]
    tile = np.full((TILE + line + GAP, TILE + GAP, 3), 255, np.uint8)
    top, left = TILE - height, (TILE - width) // 2
    tile[top : top + height, left : left + width] = drawn
    name = sample.picture.name
    short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 12]}…{name[-11:]}"
    writer.write(tile, short, (0, TILE, TILE, TILE + line), WHITE)
    return tile


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    ratio = min(TILE / height, TILE / width, LARGEST)
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _detections(labels: Labels, width: int, height: int) -> Detections:
    """The labels as boxes in pixels, clipped to the picture; small ones lie on top."""
    x, y, w, h = (labels.boxes * np.array([width, height, width, height])).T
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1).astype(np.float32)
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    order = np.argsort(w * h, kind="stable")
    return Detections(boxes[order], np.ones(len(labels), np.float32), labels.classes[order])
