"""Helpers of the tests of the stage convert: images, runs of the stage, and labels of its results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.artifacts import Dataset
from core.data.data_yaml import read_data_yaml
from core.data.dataset import list_samples, load_split
from core.labels import load_labels
from core.media.choices import MAX_PIXELS
from stages.convert import convert
from stages.convert.config import ConvertConfig
from tests.support.dataset_tools import write_picture
from tests.support.stage_tools import Memory, make_context

SIZE = (64, 48)
Found = Mapping[str, list[tuple[str, list[float]]]]


def pictures(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    for seed, name in enumerate(names):
        write_picture(folder / name, size, seed)


def run(folder: Path, **options: Any) -> tuple[Dataset, Memory]:
    number = len(list(folder.glob("out*")))
    context, memory = make_context(folder / f"out{number}")
    return convert(ConvertConfig(max_pixels=MAX_PIXELS, **options), context), memory


def labels_of(dataset: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    """Return class names and boxes (cx, cy, w, h in pixels of a 64x48 image) by ``split/name``."""
    spec = read_data_yaml(dataset.path.parent / "data.yaml")
    assert spec.names == dataset.names
    found = {}
    for split in dataset.splits:
        samples = load_split(dataset, split)
        assert samples == list(list_samples(spec, split))
        for sample in samples:
            labels = load_labels(sample, spec.names)
            boxes = [[round(value, 3) for value in box] for box in (labels.boxes * [64, 48, 64, 48]).tolist()]
            rows = [(spec.names[number], box) for number, box in zip(labels.classes, boxes, strict=True)]
            found[f"{split}/{sample.image.name}"] = rows
    return found


def by_name(dataset: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    """Return :func:`labels_of` by name, without the split."""
    return {name.partition("/")[2]: rows for name, rows in labels_of(dataset).items()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
