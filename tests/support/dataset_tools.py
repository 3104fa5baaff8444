"""Small data sets of generated images."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

Row = tuple[int, float, float, float, float]


def write_picture(path: Path, size: tuple[int, int] = (64, 48), seed: int = 0) -> Path:
    """Write an image of noise; ``size`` is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    cv2.imwrite(str(path), noise)
    return path


def write_dataset(
    root: Path,
    splits: Mapping[str, Mapping[str, Sequence[Row]]],
    names: Sequence[str] = ("person", "dog"),
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Write ``images/``, ``labels/`` and a data.yaml, and return the latter; ``splits`` is {split: {stem: rows}}."""
    seeds = itertools.count()
    for split, images in splits.items():
        for stem, rows in images.items():
            write_picture(root / "images" / split / f"{stem}.png", size, next(seeds))
            label = root / "labels" / split / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    lines = ["path: .", *(f"{split}: images/{split}" for split in splits), f"names: {list(names)}"]
    file = root / "data.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file
