"""Detect the format of a source and list its annotation files, without parsing them."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import HooklineError
from core.files.paths import user_path
from core.files.regular_file import exists, is_file, is_folder, open_regular
from core.media.matching import nearest_names
from stages.convert.config import SPLITS, Format

CLASSES = ("classes.txt", "predefined_classes.txt")
NOTES = "notes.json"
YAML = (".yaml", ".yml")
FIRST_READ = 1 << 16
"""Bytes of a text file that are read to recognize labels."""
_NUMBER = re.compile(r"[-+.\deE]+|nan|inf")
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class AnnotationPlace:
    """A folder or file of annotations, and its split if the user gave one."""

    path: Path
    split: str | None = None

    @property
    def folder(self) -> Path:
        """The folder to search for images: the folder itself, or the parent of one named ``annotations``."""
        folder = self.path if is_folder(self.path) else self.path.parent
        return folder.parent if folder.name.lower() == "annotations" else folder

    def split_of(self, file: Path, *, by_name: bool = False) -> str | None:
        """Return the split of a file: the one that the user gave, else that of a folder name, e.g. ``valid/a.xml``.

        ``by_name`` also considers the file name, e.g. ``instances_val2017.json``.
        """
        relative = file.relative_to(self.folder) if self.folder in file.parents else Path(file.name)
        words = [*relative.parent.parts, *(re.split(r"[\W_]+", relative.stem) if by_name else [])]
        found = (re.fullmatch(r"([a-z]+?)(\d{4})?", word.lower()) for word in reversed(words))
        own = next((_SPLIT_WORDS[match[1]] for match in found if match and match[1] in _SPLIT_WORDS), None)
        return self.split or own


def sources_of(source: object) -> list[AnnotationPlace]:
    """Return the places of ``convert.source``.

    Raises:
        HooklineError: No source is given, or one does not exist or is not readable.
    """
    if isinstance(source, Mapping):
        strange = [str(name) for name in source if name not in SPLITS]
        if strange:
            raise HooklineError(f"convert.source names the split '{strange[0]}'", f"possible: {', '.join(SPLITS)}")
        places = [AnnotationPlace(_absolute(path), str(split)) for split, path in source.items()]
    else:
        given = source if isinstance(source, (list, tuple)) else [source] if source else []
        places = [AnnotationPlace(_absolute(path)) for path in given]
    if not places:
        raise HooklineError("convert has no source", "give convert.source=<folder or file of annotations>")
    for place in places:
        if not exists(place.path):
            raise HooklineError(f"no such source '{place.path}'", nearest_names(place.path))
        if not is_file(place.path) and not is_folder(place.path):
            raise HooklineError(f"the source '{place.path}' is a FIFO, a socket or a device", "give a regular file")
        if not os.access(place.path, os.R_OK | (os.X_OK if is_folder(place.path) else 0)):
            raise HooklineError(f"the source '{place.path}' is not readable", "change its permissions")
    return places


def find_format(places: Sequence[AnnotationPlace], wanted: Format) -> Format:
    """Return the format of the annotations in all places.

    Raises:
        HooklineError: There are no annotations, or annotations of several formats.
    """
    if wanted is not Format.auto:
        return wanted
    found = sorted({kind for place in places for kind in _kinds(place.path)})
    shown = ", ".join(f"'{place.path}'" for place in places)
    if not found:
        raise HooklineError(
            f"found no annotations in {shown}",
            "supported: data.yaml, classes.txt with .txt labels, Pascal VOC .xml, CreateML or COCO .json",
        )
    if len(found) > 1:
        raise HooklineError(
            f"{shown} contains annotations of several formats: {', '.join(found)}", "set convert.format"
        )
    return Format(found[0])


def files_of(place: AnnotationPlace, kind: Format) -> list[Path]:
    """Return the annotation files of one format, sorted.

    Raises:
        HooklineError: There are none.
    """
    if is_file(place.path):
        return [place.path]
    if kind is Format.voc:
        files = visible(place.path, "*.xml")
    else:
        files = [file for file in visible(place.path, "*.json") if _json_kind(file) == kind.value]
    if not files:
        raise HooklineError(
            f"found no {kind.value} annotations in '{place.path}'", "check convert.source and convert.format"
        )
    if kind is Format.coco:  # COCO also has files with captions and keypoints of the same images
        return [file for file in files if file.name.startswith("instances")] or files
    return files


def visible(folder: Path, pattern: str) -> list[Path]:
    """Return the sorted files below a folder that match a pattern, without hidden files and folders."""
    found = (path for path in folder.rglob(pattern) if is_file(path))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _kinds(path: Path) -> set[str]:
    if is_file(path):
        kind = _file_kind(path)
        return {kind} if kind else set()
    kinds = {kind for file in visible(path, "*.json") if (kind := _json_kind(file))}
    if visible(path, "*.xml"):
        kinds.add(Format.voc.value)
    if is_file(path / NOTES) and is_file(path / "classes.txt"):
        kinds.add(Format.labelstudio.value)
    elif data_yaml(path) or classes_file(path) or (not kinds and any(map(_has_boxes, visible(path, "*.txt")))):
        kinds.add(Format.yolo.value)
    return kinds


def first_values(file: Path) -> list[str] | None:
    """Return the values in the first line of a text file that is not blank; None if they are not numbers.

    Raises:
        HooklineError: The file cannot be read.
    """
    try:
        with open_regular(file) as opened:
            start = opened.read(FIRST_READ).decode("utf-8-sig", "replace")
    except OSError as error:
        raise unreadable(file, error) from error
    values = next((line for line in start.splitlines() if line.strip()), "").split()
    return values if all(map(_NUMBER.fullmatch, values)) else None


def _has_boxes(file: Path) -> bool:
    return len(first_values(file) or ()) >= 5


def unreadable(file: Path, error: OSError) -> HooklineError:
    """Return the error for a file of the source that cannot be read."""
    return HooklineError(
        f"cannot read '{file}' ({error.strerror})", "check its permissions, or move it out of the source"
    )


def data_yaml(folder: Path) -> Path | None:
    """Return the data.yaml of a folder, None if there is none."""
    files = [folder / f"data{suffix}" for suffix in YAML]
    return next((file for file in files if is_file(file)), None)


def classes_file(folder: Path) -> Path | None:
    """Return the list of class names in a folder or below it, None if there is none."""
    files = [place / name for name in CLASSES for place in (folder, folder / "labels", folder / "data")]
    return next((file for file in files if is_file(file)), None) or next(iter(sorted(folder.rglob(CLASSES[0]))), None)


def _file_kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in YAML:
        return Format.yolo.value
    if suffix == ".xml":
        return Format.voc.value
    return _json_kind(path) if suffix == ".json" else ""


def _json_kind(file: Path) -> str:
    """Return ``coco`` for an object with categories, ``createml`` for a list with annotations, by a search for keys."""
    if file.name == NOTES or not file.stat().st_size:
        return ""
    try:
        opened = open_regular(file)
    except OSError as error:
        raise unreadable(file, error) from error
    with opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start == b"{" and all(content.find(word) >= 0 for word in (b'"images"', b'"annotations"', b'"categories"')):
            return Format.coco.value
        listed = content.find(b'"annotations"') >= 0 or content.find(b'"annotation"') >= 0
        return Format.createml.value if start == b"[" and listed else ""


def _absolute(path: object) -> Path:
    return user_path(str(path)).absolute()
