"""List the splits of a data.yaml, and say what the audit depends on. Light: nothing is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.dataset import DataSpec, Sample, content_digest, list_samples, read_data_yaml
from core.digest import text_digest
from stages.dataset.strays import stray_labels

Splits = Mapping[str, Sequence[Sample]]


def list_splits(data: str) -> tuple[DataSpec, Splits]:
    """Return the data.yaml and the images of each of its splits."""
    spec = read_data_yaml(data)
    return spec, {split: list_samples(spec, split) for split in spec.splits}


def fingerprint_of(data: str, cache_dir: Path) -> dict[str, str]:
    """Return what listing and report depend on: the paths that both contain, the content, and stray label files."""
    spec, splits = list_splits(data)
    places = [spec.path, *(sample.picture for samples in splits.values() for sample in samples)]
    strays = [
        finding.message
        for split, samples in splits.items()
        for finding in stray_labels(split, samples, spec.splits[split])
    ]
    return {
        "places": text_digest("\n".join(map(str, places))),
        "content": content_digest(spec.names, splits, cache_dir),
        "strays": text_digest("\n".join(strays)),
    }
