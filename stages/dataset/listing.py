"""List the splits of a data.yaml, and label files without an image, without decoding images."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.data.data_yaml import DataSpec, read_data_yaml
from core.data.dataset import Sample, content_digest, label_path, list_samples
from core.errors import HooklineError, counted
from core.files.regular_file import is_folder, open_regular
from core.media.matching import name_key
from core.media.suffixes import INSTALL_HEIF, PassedOver, is_heif, is_image
from core.storage.digest import text_digest
from stages.dataset.config import DatasetConfig
from stages.dataset.findings import AuditFinding

Splits = Mapping[str, Sequence[Sample]]


def given_data(config: DatasetConfig) -> str:
    """Return the path of the data.yaml.

    Raises:
        HooklineError: It is not given.
    """
    if not config.data:
        raise HooklineError("no data set is given", "give data=<data.yaml>, a file with path, train, val and names")
    return config.data


def list_splits(data: str, notes: list[str] | None = None) -> tuple[DataSpec, Splits]:
    """Return the data.yaml and the images of each of its splits.

    Args:
        data: Path of the data.yaml.
        notes: Gets the lines about files in the folders that are not images, and about repeated paths, per split.
    """
    spec = read_data_yaml(data)
    splits, lines = {}, []
    for split in spec.splits:
        passed = PassedOver()
        splits[split] = list_samples(spec, split, passed)
        lines += [passed.line(f"of '{split}'"), _repeated(split, passed.repeated)]
    if notes is not None:
        notes += filter(None, lines)
    return spec, splits


def _repeated(split: str, count: int) -> str:
    """Return a line with the number of paths that name an image again; empty for none."""
    paths = counted(count, "repeated path")
    return f"left out {paths} in the lists of '{split}': each image is used once" if count else ""


def fingerprint_of(data: str, cache_dir: Path) -> dict[str, str]:
    """Return what listing, report and notes depend on: paths, content, and the files that are left out."""
    notes: list[str] = []
    spec, splits = list_splits(data, notes)
    places = [spec.path, *(sample.image for samples in splits.values() for sample in samples)]
    orphans = [
        finding.message
        for split, samples in splits.items()
        for finding in orphan_labels(split, samples, spec.splits[split])
    ]
    return {
        "places": text_digest("\n".join(map(str, places))),
        "content": content_digest(spec.names, splits, cache_dir),
        "strays": text_digest("\n".join(orphans)),
        **({"passed_over": text_digest("\n".join(notes))} if notes else {}),
    }


FIRST_READ = 1 << 12
"""Bytes of a text file that are read to recognize labels."""
ROW_VALUES = 5
"""Numbers in a row of a label file: class and box."""


def orphan_labels(split: str, samples: Sequence[Sample], places: Iterable[Path]) -> Iterator[AuditFinding]:
    """Yield a finding for each label file of a split without an image on the disk.

    Args:
        split: Name of the split.
        samples: The images of the split.
        places: The folders and lists of the split. All subfolders of a folder are searched; of a list, only the folders
            of its images, which may contain images that are not in the list.
    """
    for folder, labels in _folders(samples, places):
        names = _names(folder)
        wanted = {f"{os.path.splitext(name)[0]}.txt" for name in names if is_image(name)}  # noqa: PTH122  as in _names
        others = (labels / name for name in _names(labels) if name not in wanted)
        orphans = [file for file in others if file.suffix.lower() == ".txt" and _has_rows(file)]
        owners = _owners(folder / name for name in names) if orphans else {}
        for file in orphans:
            yield AuditFinding("stray-label", split, file, None, _message(file, folder, owners))


def _owners(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the images of a folder that lack a label file, HEIC images included, by their names for comparison."""
    owners: dict[str, list[Path]] = {}
    for file in files:
        lacking = not os.path.lexists(label_path(file)) if is_image(file) else is_heif(file)
        if lacking:
            owners.setdefault(name_key(file.stem, quoted=True), []).append(file)
    return owners


def _message(label: Path, folder: Path, owners: Mapping[str, Sequence[Path]]) -> str:
    """Return what is wrong with a label file without an image; name the image that its name means."""
    found = owners.get(name_key(label.stem, quoted=True), ())
    if len(found) != 1:
        return f"the label file '{label}' has no image in '{folder}'"
    image = found[0]
    if not is_image(image):
        return f"the image '{image.name}' of the label file '{label}' is not read; {INSTALL_HEIF}"
    form = unicodedata.normalize("NFC", label.stem) == unicodedata.normalize("NFC", image.stem)
    reason = " (its name has another Unicode form)" if form and label.suffix == ".txt" else ""
    return f"the label file '{label}' belongs to '{image.name}' by its name; rename it{reason}"


def _folders(samples: Sequence[Sample], places: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return the folders of images with the folders of their labels, sorted, without duplicates."""
    pairs = {folder: _labels_of(folder) for folder in {sample.image.parent for sample in samples}}
    for place in places:
        labels = _labels_of(place)
        if is_folder(place) and labels != place:
            below = sorted(Path(parent, name) for parent, folders, _ in os.walk(labels) for name in folders)
            pairs |= {place / folder.relative_to(labels): folder for folder in [labels, *below]}
    return sorted(pairs.items())


def _labels_of(folder: Path) -> Path:
    """Return the folder of the label files of the images in ``folder``."""
    return label_path(folder / "x").parent


def _names(folder: Path) -> list[str]:
    """Return the sorted names in a folder; none if it is missing or not readable."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  names, not paths: eight times as fast, for millions of files
    except OSError:
        return []


def _has_rows(file: Path) -> bool:
    """Return whether a file starts like a label file, unlike lists of images or classes and readme files."""
    try:
        with open_regular(file) as opened:
            lines = opened.read(FIRST_READ).decode("utf-8-sig").splitlines()
        words = next((line.split() for line in lines if line.strip()), [])
        return len([float(word) for word in words]) >= ROW_VALUES
    except (OSError, ValueError):
        return False
