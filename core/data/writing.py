"""Writing a data set in YOLO layout: label files, data.yaml and the listing, the main file of a Dataset artifact."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from core.artifacts import Dataset
from core.data.dataset import Sample, content_digest
from core.label_classes import LabelClasses
from core.storage.serial import json_text

DATA_YAML = "data.yaml"
LISTING = "dataset.json"
CHARTS = ("class_balance.png", "box_shapes.png", "box_centres.png")
"""Charts that may be next to the listing: objects per class, box sizes and aspect ratios, box centres."""

Row = tuple[int, float, float, float, float]
"""Class, centre x, centre y, width, height; the box in fractions 0..1 of the image."""


def write_labels(file: Path, rows: Iterable[Row]) -> None:
    """Write one label file with six decimals: 0.01 pixels in an image of 10,000 pixels."""
    lines = (f"{number} {' '.join(f'{value:.6f}' for value in box)}\n" for number, *box in rows)
    file.write_text("".join(lines), encoding="utf-8")


def write_dataset(folder: Path, classes: LabelClasses, splits: Mapping[str, Sequence[Sample]]) -> Dataset:
    """Write ``data.yaml`` and the listing of a data set whose images and label files are below ``folder``.

    Neither file contains the path of ``folder``, so the data set can be moved and copied.

    Args:
        folder: Holds ``images/<split>/`` and ``labels/<split>/``.
        classes: The classes in the label files, and which of them are ignore regions.
        splits: The images of each split, with absolute paths.
    """
    (folder / DATA_YAML).write_text(_data_yaml(classes, splits), encoding="utf-8")
    rule = classes if classes.ignore else None
    ruled = {split: [replace(sample, classes=rule) for sample in samples] for split, samples in splits.items()}
    digest = content_digest(classes.names, ruled)
    write_listing(folder / LISTING, classes.names, ruled, digest, Path(DATA_YAML))
    counts = {split: len(samples) for split, samples in splits.items()}
    return Dataset(path=folder / LISTING, digest=digest, names=classes.names, splits=counts, classes=rule)


def _data_yaml(classes: LabelClasses, splits: Mapping[str, Sequence[Sample]]) -> str:
    content: dict[str, object] = {split: f"images/{split}" for split in splits}
    content |= {"nc": len(classes.written), "names": dict(enumerate(classes.written))}
    if classes.ignore:
        content["ignore"] = {region: list(names) or "all" for region, names in classes.ignore.items()}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return text


def write_listing(
    target: Path, names: Sequence[str], splits: Mapping[str, Sequence[Sample]], digest: str, origin: Path
) -> None:
    """Write the main file of a :class:`~core.artifacts.Dataset`.

    Files below the folder of ``target`` are written as relative paths and move with the artifact.

    Args:
        target: The file to write.
        names: Class names, index = class id.
        splits: Images and label files per split.
        digest: The :func:`~core.data.dataset.content_digest`; the listing changes with every image and label file.
        origin: The data.yaml.
    """
    inside = f"{target.parent}{os.sep}"
    rows = {
        split: [[_written(item.image, inside), _written(item.label, inside)] for item in samples]
        for split, samples in splits.items()
    }
    content = {"data": str(origin), "digest": digest, "names": list(names), "splits": rows}
    target.write_text(json_text(content) + "\n", encoding="utf-8")


def _written(path: Path | None, inside: str) -> str | None:
    return None if path is None else str(path).removeprefix(inside)
