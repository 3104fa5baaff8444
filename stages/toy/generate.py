"""Writes the toy data set: pictures, labels, data.yaml and listing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.artifacts import Dataset
from core.dataset import Sample
from core.dataset_files import Row, write_dataset, write_labels
from core.errors import counted
from stages.toy import SHAPES, ToyConfig
from stages.toy.drawing import Drawing, draw

if TYPE_CHECKING:
    from core.context import RunContext

QUALITY = 92


def generate(config: ToyConfig, context: RunContext) -> Dataset:
    """Draw every picture of both splits into the work directory.

    A picture depends on the seed, its split and its number only: more pictures leave the first ones as they are.
    """
    names = SHAPES[: config.classes]
    splits: dict[str, list[Sample]] = {}
    with context.progress("draw images", config.train + config.val, "images") as progress:
        for number, (split, count) in enumerate({"train": config.train, "val": config.val}.items()):
            writer, objects = _Writer(context.workdir, split), Counter[int]()
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


class _Writer:
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
