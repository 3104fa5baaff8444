"""The images and label files of a data set, from its data.yaml or from a Dataset artifact."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.artifacts import Dataset
from core.data.data_yaml import DataSpec, read_data_yaml
from core.errors import HooklineError, shown, unknown
from core.files.regular_file import is_file, is_folder
from core.files.windows_paths import existing, hint
from core.label_classes import LabelClasses
from core.media.listing import list_entries
from core.media.matching import files_below
from core.media.suffixes import IMAGE_SUFFIXES, INSTALL_HEIF, PassedOver, is_heif, is_image
from core.storage.digest import digest_each, text_digest


@dataclass(frozen=True)
class Sample:
    """An image and its label file.

    Attributes:
        image: The image file.
        label: The label file; None for a background image.
        classes: The classes in the label file if the data set has ignore regions, otherwise None.
    """

    image: Path
    label: Path | None
    classes: LabelClasses | None = None


def label_path(image: Path) -> Path:
    """Return the path of the label file of ``image``: its last ``images`` folder becomes ``labels``.

    Without such a folder the label file is next to the image.
    """
    parts = list(image.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def list_samples(spec: DataSpec, split: str, passed: PassedOver | None = None) -> tuple[Sample, ...]:
    """Return the images of a split, each once: folders sorted by name, .txt lists in their own order.

    Args:
        spec: The data.yaml.
        split: Name of the split.
        passed: Collects the files in the folders that are not images, and counts the paths that name an image again.

    Raises:
        HooklineError: The data.yaml does not have the split, the split has no images, or it lists a missing image.
    """
    if split not in spec.splits:
        raise unknown("split", split, spec.splits)
    passed = PassedOver() if passed is None else passed
    found = [image for place in spec.splits[split] for image in _images(place, spec.root, passed)]
    images = dict.fromkeys(found)
    passed.repeated += len(found) - len(images)
    if not images:
        places = ", ".join(f"'{place}'" for place in spec.splits[split])
        hint = f"suffixes of images: {' '.join(IMAGE_SUFFIXES)}"
        raise HooklineError(
            f"split '{split}' has no images in {places}", "; ".join(filter(None, [passed.line(), hint]))
        )
    labels = ((image, label_path(image)) for image in images)
    # A broken link or a folder of this name is an unreadable label file, which is reported: not a background image.
    return tuple(Sample(image, label if os.path.lexists(label) else None, spec.classes) for image, label in labels)


def images_below(folder: Path, passed: PassedOver) -> list[Path]:
    """Return all images below a folder, sorted; links to folders are followed, hidden files are skipped.

    Args:
        folder: The folder.
        passed: Collects the other files.
    """
    return sorted(passed.selected(files_below(folder), is_image))


def _images(place: Path, root: Path, passed: PassedOver) -> Iterator[Path]:
    if is_folder(place):
        yield from images_below(place, passed)
    else:
        yield from _listed(place, root)


def _listed(listing: Path, root: Path) -> Iterator[Path]:
    """Yield the images of a .txt list: absolute, or relative to the list, the data set or the working directory."""
    folders = [str(folder) for folder in (listing.parent, root, Path.cwd())]
    for number, text in _entries(listing):
        joined = (os.path.join(folder, text) for folder in folders)  # noqa: PTH118  ten times as fast, for millions
        found = next((place for path in joined if (place := existing(path, is_file))), None)
        if found is None:
            raise HooklineError(
                f"'{text}' (line {number} of '{listing}') does not exist",
                hint(text, "a line is an absolute path, or relative to the list, to 'path:' or the working directory"),
            )
        yield Path(os.path.abspath(found))


def _entries(listing: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each entry of a .txt list.

    Raises:
        HooklineError: The list cannot be read, or an entry does not have the suffix of an image.
    """
    for number, text in list_entries(listing):
        if not is_image(text):
            raise HooklineError(
                f"line {number} of '{listing}' is not the path of an image: {shown(text)}",
                INSTALL_HEIF if is_heif(text) else f"suffixes of images: {' '.join(IMAGE_SUFFIXES)}",
            )
        yield number, text


def list_problems(spec: DataSpec) -> Iterator[HooklineError]:
    """Yield the errors in the .txt lists of a data set. Images are not opened."""
    for place in dict.fromkeys(place for places in spec.splits.values() for place in places):
        try:
            if not is_folder(place):
                deque(_entries(place), maxlen=0)
        except HooklineError as problem:
            yield problem


def sample_names(samples: Sequence[Sample]) -> list[str]:
    """Return a unique name per image of a split: its path below the deepest common folder.

    The names do not depend on the location of the data set, so results may contain them.
    """
    if not samples:
        return []
    root = os.path.commonpath([sample.image.parent for sample in samples])
    return [sample.image.relative_to(root).as_posix() for sample in samples]


def content_digest(names: Sequence[str], splits: Mapping[str, Sequence[Sample]], cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of the content of a data set.

    It covers the class names and ignore regions, and per split the names and bytes of images and label files in order;
    an unreadable file has an empty digest. It does not depend on the location of the data set or the format of its
    listing.

    Args:
        names: Class names, index = class id.
        splits: Images and labels per split.
        cache_dir: Folder of the cache with the digests of single files; None reads every file.
    """
    entries: list[tuple[str, Path]] = []
    for split, samples in splits.items():
        for name, sample in zip(sample_names(samples), samples, strict=True):
            entries.append((f"{split}/{name}", sample.image))
            if sample.label:
                entries.append((f"{split}/{name}/labels", sample.label))
    contents = digest_each((file for _, file in entries), cache_dir)
    first = next((sample.classes for samples in splits.values() for sample in samples), None)
    head: list[object] = [[*names], asdict(first)] if first else [[*names]]
    lines = head + [[name, content] for (name, _), content in zip(entries, contents, strict=True)]
    return text_digest(json.dumps(lines, ensure_ascii=False))


def load_split(dataset: Dataset, split: str) -> list[Sample]:
    """Return the images of one split of a data set, in stable order; paths are absolute if ``dataset.path`` is.

    Args:
        dataset: The artifact.
        split: ``train``, ``val``, ``test``, or whatever ``dataset.splits`` has.

    Raises:
        HooklineError: The data set has no such split, or its listing cannot be read.
    """
    if split not in dataset.splits:
        raise unknown("split", split, dataset.splits)
    try:
        rows = json.loads(dataset.path.read_text(encoding="utf-8"))["splits"][split]
        folder = dataset.path.parent
        classes = dataset.classes
        return [Sample(folder / image, folder / label if label else None, classes) for image, label in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HooklineError(
            f"'{dataset.path}' is not the listing of a data set ({error})",
            "make the listing with +stage=dataset data=<data.yaml>",
        ) from error


def split_problems(data: str, split: str, option: str) -> Iterator[HooklineError]:
    """Yield the error of a split that the data.yaml does not have, for the check of a plan.

    Args:
        data: Path of the data.yaml. The stage ``dataset`` reports an unreadable one.
        split: Name of the split.
        option: The option that names the split.
    """
    try:
        splits = read_data_yaml(data).splits
    except HooklineError:
        return
    if split not in splits:
        yield HooklineError(f"'{data}' has no split '{split}'", f"possible: {option}={' or '.join(splits)}")
