"""Writing a data set in YOLO layout: label files, a data.yaml that works from any directory, and the listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from core.artifacts import Dataset
from core.data.dataset import Sample, content_digest, write_listing

DATA_YAML = "data.yaml"
LISTING = "dataset.json"
CHARTS = ("class_balance.png", "box_shapes.png", "box_centres.png")
"""Label statistics that may lie beside the listing: objects by class, box sizes and aspect ratios, box centres."""

Row = tuple[int, float, float, float, float]
"""Class, centre x, centre y, width, height; the box in fractions 0..1 of the picture."""


def write_labels(file: Path, rows: Iterable[Row]) -> None:
    """Write one label file, six decimals: a hundredth of a pixel in a picture of 10,000."""
    lines = (f"{number} {' '.join(f'{value:.6f}' for value in box)}\n" for number, *box in rows)
    file.write_text("".join(lines), encoding="utf-8")


def write_dataset(folder: Path, names: Sequence[str], splits: Mapping[str, Sequence[Sample]]) -> Dataset:
    """Finish a data set whose pictures and labels have been written below ``folder``.

    Writes ``data.yaml`` and the listing. Neither holds the place of ``folder``, so that it can be moved and copied.

    Args:
        folder: Holds ``images/<split>/`` and ``labels/<split>/``.
        names: Class names, index = class id.
        splits: The pictures of each split, with absolute paths.
    """
    (folder / DATA_YAML).write_text(_data_yaml(names, splits), encoding="utf-8")
    digest = content_digest(names, splits)
    write_listing(folder / LISTING, names, splits, digest, Path(DATA_YAML))
    counts = {split: len(samples) for split, samples in splits.items()}
    return Dataset(path=folder / LISTING, digest=digest, names=tuple(names), splits=counts)


def _data_yaml(names: Sequence[str], splits: Mapping[str, Sequence[Sample]]) -> str:
    import yaml

    places = {split: f"images/{split}" for split in splits}
    content = {**places, "nc": len(names), "names": dict(enumerate(names))}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return text
