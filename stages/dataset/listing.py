"""Lists the splits of a data.yaml and digests what is in them. Light: nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.dataset import DataSpec, Sample, list_samples, read_data_yaml
from core.digest import digest_each, text_digest

Splits = Mapping[str, Sequence[Sample]]


def list_splits(data: str) -> tuple[DataSpec, Splits]:
    """The data.yaml and the pictures of each of its splits."""
    spec = read_data_yaml(data)
    return spec, {split: list_samples(spec, split) for split in spec.splits}


def digest_of(spec: DataSpec, splits: Splits, cache_dir: Path) -> str:
    """SHA-256 over class names, splits, and the content of pictures and labels; unreadable files count as such."""
    names, files = [], []
    for name, file in _files(splits):
        names.append(name)
        files.append(file)
    contents = (f"{name}\0{content}" for name, content in zip(names, digest_each(files, cache_dir), strict=True))
    return text_digest("\n".join([*spec.names, *contents]))


def _files(splits: Splits) -> Iterator[tuple[str, Path]]:
    for split, samples in splits.items():
        for sample in samples:
            yield f"{split}/{sample.picture.name}", sample.picture
            if sample.label:
                yield f"{split}/{sample.picture.name}/labels", sample.label
