"""Draw the toy images with their boxes; write images, labels, data.yaml and listing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from core.artifacts import Dataset
from core.data.dataset import Sample
from core.data.writing import Row, write_dataset, write_labels
from core.errors import counted
from core.label_classes import LabelClasses
from stages.toy.config import SHAPES, ToyConfig
from stages.toy.shapes import background, shape_mask

if TYPE_CHECKING:
    from core.kinds.context import RunContext

MIN_DIAMETER, MAX_DIAMETER = 0.1, 0.5
"""Size of objects as a share of the image size."""
EMPTY_SHARE = 0.05
"""Share of images without objects."""
MIN_VISIBLE = 0.7
"""Minimum visible share of an object."""
POSITION_ATTEMPTS = 25
COLOUR_CANDIDATES = 40
MIN_CONTRAST = 90.0
"""Minimum distance of an object's colour to the background, in BGR."""
BACKGROUND = -1
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Drawing:
    """An image and its objects.

    Attributes:
        image: uint8 BGR [size, size, 3].
        classes: Class of each object, int64 [n].
        boxes: Boxes around the visible pixels of each object: x1, y1, x2, y2 in pixels, int64 [n, 4]; x2 and y2 are
            one past the last pixel.
        owner: Index of the visible object at each pixel, -1 for the background; int16 [size, size].
    """

    image: NDArray[np.uint8]
    classes: NDArray[np.int64]
    boxes: NDArray[np.int64]
    owner: NDArray[np.int16]


def draw(rng: np.random.Generator, size: int, shapes: Sequence[str], max_objects: int) -> Drawing:
    """Draw an image with up to ``max_objects`` objects, each at least 70 % visible.

    Args:
        rng: Generator of all random choices.
        size: Height and width in pixels.
        shapes: Names of the classes.
        max_objects: Maximum number of objects.
    """
    canvas = _Canvas(rng, size)
    count = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, max_objects + 1))
    for _ in range(count):
        canvas.add(shapes, int(rng.integers(len(shapes))))
    return canvas.finished()


class _Canvas:
    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._rng, self._size = rng, size
        self._pixels = background(rng, size)
        self._owner = np.full((size, size), BACKGROUND, np.int16)
        self._classes: list[int] = []
        self._areas: list[int] = []

    def add(self, shapes: Sequence[str], number: int) -> None:
        """Add one object of class ``number``, unless no position is found for it."""
        mask = shape_mask(shapes[number], self._diameter(), self._rng.uniform(0, 2 * math.pi))
        covered = mask >= 0.5
        for _ in range(POSITION_ATTEMPTS):
            top, left = (int(self._rng.integers(0, self._size - len(mask) + 1)) for _ in range(2))
            window = np.s_[top : top + len(mask), left : left + len(mask)]
            if self._leaves_others_visible(window, covered):
                self._paint(window, mask)
                self._owner[window][covered] = len(self._classes)
                self._classes.append(number)
                self._areas.append(int(covered.sum()))
                return

    def finished(self) -> Drawing:
        boxes = [_bounds(self._owner == number) for number in range(len(self._classes))]
        return Drawing(
            image=np.rint(self._pixels).astype(np.uint8),
            classes=np.array(self._classes, np.int64),
            boxes=np.array(boxes, np.int64).reshape(-1, 4),
            owner=self._owner,
        )

    def _diameter(self) -> float:
        """Return a random diameter, uniform on a logarithmic scale."""
        low, high = math.log(MIN_DIAMETER * self._size), math.log(MAX_DIAMETER * self._size)
        return math.exp(self._rng.uniform(low, high))

    def _leaves_others_visible(self, window: tuple[slice, slice], covered: NDArray[np.bool_]) -> bool:
        hit = np.unique(self._owner[window][covered])
        for number in hit[hit != BACKGROUND]:
            visible = (self._owner == number).sum() - (self._owner[window][covered] == number).sum()
            if visible < MIN_VISIBLE * self._areas[number]:
                return False
        return True

    def _paint(self, window: tuple[slice, slice], mask: NDArray[np.float32]) -> None:
        behind = self._pixels[window]
        share = mask[..., None]
        self._pixels[window] = behind + share * (self._colour(behind[mask > 0]) - behind)

    def _colour(self, behind: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a random colour with enough contrast to 90 % of the pixels ``behind``, float32 [n, 3]."""
        colours = self._rng.uniform(0, 255, (COLOUR_CANDIDATES, 3)).astype(np.float32)
        distances = np.linalg.norm(behind[None, ::7] - colours[:, None], axis=2)
        contrasts = np.quantile(distances, 0.1, axis=1)
        sufficient = np.flatnonzero(contrasts >= MIN_CONTRAST)
        chosen: NDArray[np.float32] = colours[sufficient[0] if len(sufficient) else int(contrasts.argmax())]
        return chosen


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def generate(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw all images of both splits into the work directory.

    An image depends only on the seed, its split and its number: with more images the first ones stay the same.
    """
    names = SHAPES[: config.classes]
    splits: dict[str, list[Sample]] = {}
    with context.progress("draw images", config.train + config.val, "images") as progress:
        for number, (split, count) in enumerate({"train": config.train, "val": config.val}.items()):
            writer, objects = _ToyWriter(context.workdir, split), Counter[int]()
            for index in range(count):
                rng = np.random.default_rng([context.seed, number, index])
                drawing = draw(rng, config.imgsz, names, config.objects)
                objects.update(drawing.classes.tolist())
                writer.write(f"{index:06d}", drawing)
                progress.advance()
            splits[split] = writer.samples
            shares = ", ".join(f"{objects[index]} {name}" for index, name in enumerate(names))
            context.note(f"{split}: {counted(count, 'image')}, {counted(objects.total(), 'object')} ({shares})")
    return write_dataset(context.workdir, LabelClasses(tuple(names)), splits)


class _ToyWriter:
    def __init__(self, folder: Path, split: str) -> None:
        self.samples: list[Sample] = []
        self._images, self._labels = folder / "images" / split, folder / "labels" / split
        for place in (self._images, self._labels):
            place.mkdir(parents=True)

    def write(self, name: str, drawing: Drawing) -> None:
        """Write one image and its labels; the label file of an image without objects is empty."""
        image, label = self._images / f"{name}.jpg", self._labels / f"{name}.txt"
        _, encoded = cv2.imencode(".jpg", drawing.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        image.write_bytes(encoded.tobytes())
        write_labels(label, _rows(drawing))
        self.samples.append(Sample(image, label))


def _rows(drawing: Drawing) -> list[Row]:
    corners = drawing.boxes / len(drawing.image)
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    values = np.concatenate([centres, sizes], axis=1).tolist()
    return [(number, *box) for number, box in zip(drawing.classes.tolist(), values, strict=True)]
