"""Label files that no picture belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from core.dataset import Sample, label_path
from core.media.source import is_image
from core.regular_file import is_folder, open_regular
from stages.dataset.findings import Finding

HEAD = 1 << 12
"""Bytes of a text file that tell whether it holds labels."""
VALUES = 5
"""Numbers in a row: class and box."""


def stray_labels(split: str, samples: Sequence[Sample], places: Iterable[Path]) -> Iterator[Finding]:
    """Label files of a split whose picture is not there.

    Args:
        split: Name of the split.
        samples: Its pictures.
        places: The folders and lists that it is made of. In a folder all below it belongs to the split; a list may
            leave pictures out, so there a label file is a stray only where no picture lies beside it on the disk.
    """
    for pictures, labels in _folders(samples, places):
        stems = {file.stem for file in _files(pictures) if is_image(file)}
        for file in _files(labels):
            if file.suffix == ".txt" and file.stem not in stems and _has_rows(file):
                message = f"the label file '{file}' has no image in '{pictures}'"
                yield Finding("stray-label", split, file, None, message)


def _folders(samples: Sequence[Sample], places: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Folders of pictures with the folder of their labels, each once, in order."""
    pairs = {sample.picture.parent: label_path(sample.picture).parent for sample in samples}
    for place in places:
        labels = label_path(place / "x").parent
        if is_folder(place) and labels != place:
            below = sorted(folder for folder in labels.rglob("*") if is_folder(folder))
            pairs |= {place / folder.relative_to(labels): folder for folder in [labels, *below]}
    return sorted(pairs.items())


def _files(folder: Path) -> list[Path]:
    """The files of a folder; none where it is missing or may not be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _has_rows(file: Path) -> bool:
    """Whether it begins as a label file does; lists of pictures, class names and readme files do not."""
    try:
        with open_regular(file) as opened:
            lines = opened.read(HEAD).decode("utf-8-sig").splitlines()
        words = next((line.split() for line in lines if line.strip()), [])
        return len([float(word) for word in words]) >= VALUES
    except (OSError, ValueError):
        return False
