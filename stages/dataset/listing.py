"""Lists the splits of a data.yaml, checks every label file, and writes the listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Dataset
from core.dataset import DataSpec, Sample, label_path, list_samples, read_data_yaml, write_listing
from core.digest import files_digest, text_digest
from core.errors import HooklineError
from core.labels import load_labels

if TYPE_CHECKING:
    from core.context import RunContext

Splits = Mapping[str, Sequence[Sample]]


def list_splits(data: str) -> tuple[DataSpec, Splits]:
    """The data.yaml and the pictures of each of its splits."""
    spec = read_data_yaml(data)
    return spec, {split: list_samples(spec, split) for split in spec.splits}


def digest_of(spec: DataSpec, splits: Splits, cache_dir: Path) -> str:
    """SHA-256 over class names, splits, and the content of pictures and labels."""
    content = files_digest(_files(splits), cache_dir)
    return text_digest("\n".join([*spec.names, content]))


def _files(splits: Splits) -> Iterator[tuple[str, Path]]:
    for split, samples in splits.items():
        for sample in samples:
            yield f"{split}/{sample.picture.name}", sample.picture
            if sample.label:
                yield f"{split}/{sample.picture.name}/labels", sample.label


def make_listing(data: str, context: RunContext) -> Dataset:
    """Check the data set ``data`` and write its listing into the work directory."""
    spec, splits = list_splits(data)
    for note in spec.notes:
        context.note(note)
    for split, samples in splits.items():
        counts = _check_labels(split, samples, spec, context)
        _tell(split, samples, counts, context)
    target = context.workdir / "dataset.json"
    write_listing(target, spec.names, splits, digest_of(spec, splits, context.cache_dir), spec.path)
    return Dataset(path=target, names=spec.names, splits={split: len(samples) for split, samples in splits.items()})


def _check_labels(split: str, samples: Sequence[Sample], spec: DataSpec, context: RunContext) -> Counter[int]:
    """Read all labels of a split; give the number of objects a class.

    Raises:
        HooklineError: Names the first bad row and the number of files with one.
    """
    counts: Counter[int] = Counter()
    problems: list[HooklineError] = []
    with context.progress(f"check labels of {split}", len(samples), "files") as progress:
        for sample in samples:
            try:
                counts.update(load_labels(sample, spec.names).classes.tolist())
            except HooklineError as error:
                problems.append(error)
            progress.advance()
    if problems:
        more = f" (and {len(problems) - 1} more files of '{split}' have such rows)" if len(problems) > 1 else ""
        raise HooklineError(problems[0].message + more, problems[0].hint)
    return counts


def _tell(split: str, samples: Sequence[Sample], counts: Counter[int], context: RunContext) -> None:
    background = sum(sample.label is None for sample in samples)
    if background == len(samples):
        context.warn(
            f"split '{split}' has no label file at all: those of '{samples[0].picture}' "
            f"would be '{label_path(samples[0].picture)}'"
        )
    context.note(
        f"{split}: {len(samples)} pictures, {counts.total()} objects of {len(counts)} classes, "
        f"{background} pictures without a label file"
    )
