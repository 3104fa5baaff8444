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
from stages.toy.config import SHAPES, ToyConfig
from stages.toy.shapes import background, shape_mask

if TYPE_CHECKING:
    from core.kinds.context import RunContext

SMALLEST, LARGEST = 0.1, 0.5
EMPTY_SHARE = 0.05
VISIBLE = 0.7
PLACES = 25
COLOURS = 40
CONTRAST = 90.0
NOBODY = -1


@dataclass(frozen=True)
class Drawing:
    """A picture and its objects.

    Attributes:
        picture: uint8 BGR [size, size, 3].
        classes: Class of each object, int64 [n].
        boxes: Around the pixels that can be seen of it: x1, y1, x2, y2 in pixels, int64 [n, 4]; x2 and y2 lie
            one past the last pixel.
        owner: Number of the object in front at each pixel, -1 for the background; int16 [size, size].
    """

    picture: NDArray[np.uint8]
    classes: NDArray[np.int64]
    boxes: NDArray[np.int64]
    owner: NDArray[np.int16]


def draw(rng: np.random.Generator, size: int, shapes: Sequence[str], most: int) -> Drawing:
    """Draw up to ``most`` objects; at least 70 % of each can be seen.

    Args:
        rng: Decides everything.
        size: Height and width, pixels.
        shapes: Names of the classes.
        most: Objects.
    """
    canvas = _Canvas(rng, size)
    wanted = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, most + 1))
    for _ in range(wanted):
        canvas.add(shapes, int(rng.integers(len(shapes))))
    return canvas.finished()


class _Canvas:
    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._rng, self._size = rng, size
        self._pixels = background(rng, size)
        self._owner = np.full((size, size), NOBODY, np.int16)
        self._classes: list[int] = []
        self._areas: list[int] = []

    def add(self, shapes: Sequence[str], number: int) -> None:
        """Add one object of class ``number``; none where no place is left for it."""
        mask = shape_mask(shapes[number], self._diameter(), self._rng.uniform(0, 2 * math.pi))
        covered = mask >= 0.5
        for _ in range(PLACES):
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
            picture=np.rint(self._pixels).astype(np.uint8),
            classes=np.array(self._classes, np.int64),
            boxes=np.array(boxes, np.int64).reshape(-1, 4),
            owner=self._owner,
        )

    def _diameter(self) -> float:
        """As many small as large ones: uniform in the logarithm."""
        low, high = math.log(SMALLEST * self._size), math.log(LARGEST * self._size)
        return math.exp(self._rng.uniform(low, high))

    def _leaves_others_visible(self, window: tuple[slice, slice], covered: NDArray[np.bool_]) -> bool:
        hit = np.unique(self._owner[window][covered])
        for number in hit[hit != NOBODY]:
            left = (self._owner == number).sum() - (self._owner[window][covered] == number).sum()
            if left < VISIBLE * self._areas[number]:
                return False
        return True

    def _paint(self, window: tuple[slice, slice], mask: NDArray[np.float32]) -> None:
        behind = self._pixels[window]
        share = mask[..., None]
        self._pixels[window] = behind + share * (self._colour(behind[mask > 0]) - behind)

    def _colour(self, behind: NDArray[np.float32]) -> NDArray[np.float32]:
        """A random colour that stands out from nine tenths of the pixels ``behind`` it, float32 [n, 3]."""
        colours = self._rng.uniform(0, 255, (COLOURS, 3)).astype(np.float32)
        distances = np.linalg.norm(behind[None, ::7] - colours[:, None], axis=2)
        contrasts = np.quantile(distances, 0.1, axis=1)
        enough = np.flatnonzero(contrasts >= CONTRAST)
        chosen: NDArray[np.float32] = colours[enough[0] if len(enough) else int(contrasts.argmax())]
        return chosen


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


QUALITY = 92


def generate(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw every picture of both splits into the work directory.

    A picture depends on the seed, its split and its number only: more pictures leave the first ones as they are.
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
    return write_dataset(context.workdir, names, splits)


class _ToyWriter:
    def __init__(self, folder: Path, split: str) -> None:
        self.samples: list[Sample] = []
        self._images, self._labels = folder / "images" / split, folder / "labels" / split
        for place in (self._images, self._labels):
            place.mkdir(parents=True)

    def write(self, name: str, drawing: Drawing) -> None:
        """One picture and its labels; an empty label file says that it has no objects."""
        picture, label = self._images / f"{name}.jpg", self._labels / f"{name}.txt"
        _, encoded = cv2.imencode(".jpg", drawing.picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        picture.write_bytes(encoded.tobytes())
        write_labels(label, _rows(drawing))
        self.samples.append(Sample(picture, label))


def _rows(drawing: Drawing) -> list[Row]:
    corners = drawing.boxes / len(drawing.picture)
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    values = np.concatenate([centres, sizes], axis=1).tolist()
    return [(number, *box) for number, box in zip(drawing.classes.tolist(), values, strict=True)]
