"""The pictures and labels of a data set: listing them, and reading them back from a Dataset artifact."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.artifacts import Dataset
from core.data.data_yaml import DataSpec, read_data_yaml
from core.errors import HooklineError, shown, unknown
from core.files.regular_file import is_file, is_folder
from core.media.listing import IMAGE_SUFFIXES, is_image, list_entries
from core.media.matching import files_below
from core.storage.digest import digest_each, text_digest
from core.storage.serial import json_text

__all__ = [
    "DataSpec",
    "Sample",
    "content_digest",
    "label_path",
    "list_problems",
    "list_samples",
    "load_split",
    "pictures_below",
    "read_data_yaml",
    "sample_names",
    "write_listing",
]


@dataclass(frozen=True)
class Sample:
    """An image and its label file.

    Attributes:
        picture: The image file.
        label: The label file; None for a background image.
    """

    picture: Path
    label: Path | None


def label_path(picture: Path) -> Path:
    """Where the labels of ``picture`` belong: the last ``images`` folder in its path becomes ``labels``.

    Without such a folder the labels lie beside the picture.
    """
    parts = list(picture.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def list_samples(spec: DataSpec, split: str) -> tuple[Sample, ...]:
    """The pictures of a split, each once, folders sorted by name and lists in their own order.

    Raises:
        HooklineError: The split is not in the data.yaml, has no pictures, or lists one that is not there.
    """
    if split not in spec.splits:
        raise unknown("split", split, spec.splits)
    pictures = dict.fromkeys(picture for place in spec.splits[split] for picture in _pictures(place, spec.root))
    if not pictures:
        places = ", ".join(f"'{place}'" for place in spec.splits[split])
        raise HooklineError(
            f"split '{split}' has no images in {places}", f"suffixes of images: {' '.join(IMAGE_SUFFIXES)}"
        )
    labels = ((picture, label_path(picture)) for picture in pictures)
    # A broken link, or what else is there and no file, is a label that cannot be read: the picture is no background.
    return tuple(Sample(picture, label if os.path.lexists(label) else None) for picture, label in labels)


def pictures_below(folder: Path) -> list[Path]:
    """All pictures below a folder, through linked folders too, each folder once, sorted; hidden ones are left out."""
    return sorted(path for path in files_below(folder) if is_image(path))


def _pictures(place: Path, root: Path) -> Iterator[Path]:
    if is_folder(place):
        yield from pictures_below(place)
    else:
        yield from _listed(place, root)


def _listed(listing: Path, root: Path) -> Iterator[Path]:
    """The pictures of a .txt list: absolute, or relative to the list, the data set or the working directory."""
    folders = [str(folder) for folder in (listing.parent, root, Path.cwd())]
    for number, text in _entries(listing):
        places = (os.path.join(folder, text) for folder in folders)  # noqa: PTH118  ten times as fast, for millions
        found = next((place for place in places if is_file(place)), None)
        if found is None:
            raise HooklineError(
                f"'{text}' (line {number} of '{listing}') is not there",
                "a line is absolute or relative to the list, to 'path:', or to the working directory",
            )
        yield Path(os.path.abspath(found))


def _entries(listing: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each entry of a list, which names an image file.

    Raises:
        HooklineError: The list cannot be read, or names a file that is not an image by its suffix.
    """
    for number, text in list_entries(listing):
        if not is_image(text):
            raise HooklineError(
                f"line {number} of '{listing}' is not the name of an image: {shown(text)}",
                f"suffixes of images: {' '.join(IMAGE_SUFFIXES)}",
            )
        yield number, text


def list_problems(spec: DataSpec) -> Iterator[HooklineError]:
    """Yield what is wrong with the .txt lists of a data set. The images are not looked up."""
    for place in dict.fromkeys(place for places in spec.splits.values() for place in places):
        try:
            if not is_folder(place):
                deque(_entries(place), maxlen=0)
        except HooklineError as problem:
            yield problem


def sample_names(samples: Sequence[Sample]) -> list[str]:
    """Return a unique name of each image of a split: its path below the deepest folder that holds all of them.

    The names are the same wherever the data set lies, so that results may contain them.
    """
    if not samples:
        return []
    root = os.path.commonpath([sample.picture.parent for sample in samples])
    return [sample.picture.relative_to(root).as_posix() for sample in samples]


def content_digest(names: Sequence[str], splits: Mapping[str, Sequence[Sample]], cache_dir: Path | None = None) -> str:
    """Return the SHA-256 of what a data set contains; unreadable files count as such.

    It covers the class names, and per split the names and bytes of images and labels in their order. It does not depend
    on where the data set lies, nor on who made the listing.

    Args:
        names: Class names, index = class id.
        splits: Images and labels per split.
        cache_dir: Where the digests of single files are remembered.
    """
    entries: list[tuple[str, Path]] = []
    for split, samples in splits.items():
        for name, sample in zip(sample_names(samples), samples, strict=True):
            entries.append((f"{split}/{name}", sample.picture))
            if sample.label:
                entries.append((f"{split}/{name}/labels", sample.label))
    contents = digest_each((file for _, file in entries), cache_dir)
    lines = [[*names], *([name, content] for (name, _), content in zip(entries, contents, strict=True))]
    return text_digest(json.dumps(lines, ensure_ascii=False))


def write_listing(
    target: Path, names: Sequence[str], splits: Mapping[str, Sequence[Sample]], digest: str, origin: Path
) -> None:
    """Write the main file of a :class:`~core.artifacts.Dataset`.

    Files below the folder of ``target`` are written relative to it: they move with the artifact.
    ``digest`` is the :func:`content_digest`, so that the file changes when any image or label does.
    """
    inside = f"{target.parent}{os.sep}"
    rows = {
        split: [[_written(item.picture, inside), _written(item.label, inside)] for item in samples]
        for split, samples in splits.items()
    }
    content = {"data": str(origin), "digest": digest, "names": list(names), "splits": rows}
    target.write_text(json_text(content) + "\n", encoding="utf-8")


def _written(path: Path | None, inside: str) -> str | None:
    return None if path is None else str(path).removeprefix(inside)


def load_split(dataset: Dataset, split: str) -> list[Sample]:
    """Return the images of one split of a data set, in stable order; paths are absolute where ``dataset.path`` is.

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
        return [Sample(folder / picture, folder / label if label else None) for picture, label in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HooklineError(
            f"'{dataset.path}' is not a listing of a data set ({error})",
            "make one with +stage=dataset data=<data.yaml>",
        ) from error


def split_problems(data: str, split: str, option: str) -> Iterator[HooklineError]:
    """What a plan can say about a split before any work: the data.yaml does not have it.

    Args:
        data: Path of the data.yaml; what is wrong with that is the ``dataset`` stage's to say.
        split: Name of the split.
        option: Which option named it.
    """
    try:
        splits = read_data_yaml(data).splits
    except HooklineError:
        return
    if split not in splits:
        yield HooklineError(f"'{data}' has no split '{split}'", f"{option} takes one of: {', '.join(splits)}")
