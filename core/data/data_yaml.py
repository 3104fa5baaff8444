"""Reading of data.yaml: class names, and the images of each split (docs/contracts.md, "Data set")."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from core.data.ignored_classes import ignored_classes
from core.errors import HooklineError, counted, shown
from core.files.paths import path_of, user_path
from core.files.regular_file import exists, is_file, is_folder
from core.files.windows_paths import existing, hint
from core.files.yaml_file import Value, YamlFile, read_yaml
from core.files.yaml_scalars import Scalar
from core.label_classes import LabelClasses
from core.media.matching import nearest_names
from core.model_limits import MAX_CLASSES, MAX_NAMES_LENGTH, name_problem

SPLITS = ("train", "val", "test")
AS_TEXT = frozenset((*SPLITS, "path", "names", "ignore"))
"""Keys whose numbers, dates and words such as ``yes`` are text as written: class names such as 02146, and paths."""
MAX_SHOWN = 200
"""Maximum number of characters of a path in a message."""
_Mapping: TypeAlias = YamlFile[dict[Scalar, Value]]


@dataclass(frozen=True)
class DataSpec:
    """The content of a data.yaml.

    Attributes:
        path: The data.yaml itself, absolute.
        root: The folder to which the splits are relative, absolute.
        names: Class names of a model, index = class id; without the classes of ignore regions.
        splits: Per split the folders and .txt lists of images, absolute and existing.
        notes: One line per path that was corrected, for the user.
        classes: The classes in the label files if some are ignore regions, otherwise None.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    splits: Mapping[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()
    classes: LabelClasses | None = None


def read_data_yaml(path: Path | str) -> DataSpec:
    """Read and check a data.yaml. Images and label files are not opened.

    Raises:
        HooklineError: The file is missing or not a data.yaml, ``names`` and ``nc`` disagree, or the path of a split
            does not exist.
    """
    file = _load(_absolute(user_path(path)))
    notes: list[str] = []
    written = _names(file)
    classes = LabelClasses(written, ignored_classes(file, written)) if file.content.get("ignore") else None
    root = _root(file, notes)
    splits = {
        split: tuple(_place(file, root, split, entry, notes) for entry in _entries(file, split))
        for split in SPLITS
        if file.content.get(split)
    }
    if not splits:
        raise HooklineError(
            f"'{file.path}' has no 'train:', 'val:' or 'test:'", "each takes a folder or a .txt list of images"
        )
    return DataSpec(file.path, root, classes.names if classes else written, splits, tuple(notes), classes)


def _load(file: Path) -> _Mapping:
    try:
        found = read_yaml(file, as_text=AS_TEXT)
    except FileNotFoundError:
        raise HooklineError(f"the data set file '{file}' does not exist", nearest_names(file)) from None
    except OSError as error:
        inside = file / "data.yaml"
        meant = f"did you mean '{inside}'? " if is_file(inside) else ""
        raise HooklineError(
            f"cannot read '{file}' ({error.strerror})", f"{meant}data= takes the path of a data.yaml"
        ) from error
    if not isinstance(found.content, dict):
        raise HooklineError(f"'{file}' is not a data.yaml", "it needs the keys 'names', 'train' and 'val'")
    return YamlFile(found.path, found.content, found.lines)


def _names(file: _Mapping) -> tuple[str, ...]:
    names = file.content.get("names")
    if isinstance(names, dict):
        names = _in_order(file, names)
    if not isinstance(names, list) or not names:
        raise HooklineError(
            f"{file.location('names')} has no class names",
            "it needs 'names:', a list or a mapping with the keys 0, 1, 2, ...",
        )
    if len(names) > MAX_CLASSES:
        raise HooklineError(
            f"{file.location('names')} has {len(names):,} class names",
            f"the maximum is {MAX_CLASSES:,}: merge or remove classes",
        )
    for index, name in enumerate(names):
        _check_name(file, index, name)
    if (length := sum(len(str(name)) for name in names)) > MAX_NAMES_LENGTH:
        raise HooklineError(
            f"{file.location('names')} has class names with {length:,} characters in total",
            f"the maximum is {MAX_NAMES_LENGTH:,}: shorten them",
        )
    count = file.content.get("nc", len(names))
    if count != len(names):
        raise HooklineError(
            f"{file.location('nc')} has nc: {_plain(count)} but names {counted(len(names), 'class')}",
            "correct one of them, or remove nc",
        )
    return tuple(str(name) for name in names)


def _check_name(file: _Mapping, index: int, name: Value) -> None:
    if not isinstance(name, str):
        raise HooklineError(
            f"class {index} in {file.location('names', index)} is {shown(name)} in YAML, not a string",
            "put the name in quotes",
        )
    if problem := name_problem(name):
        raise HooklineError(
            f"class {index} in {file.location('names', index)} is {shown(name)}, which {problem}", "correct its name"
        )


def _in_order(file: _Mapping, names: Mapping[Scalar, Value]) -> list[Value]:
    """Return the values of ``{0: a, 1: b, ...}`` in the order of the keys, which may be quoted numbers."""
    by_id = {_class_number(key): name for key, name in names.items()}
    if set(by_id) != set(range(len(names))):
        raise HooklineError(
            f"the keys of 'names' in {file.location('names')} are {shown(list(names))}",
            f"{counted(len(names), 'class')} need the keys 0 to {len(names) - 1}",
        )
    return [by_id[index] for index in range(len(names))]


def _class_number(key: Scalar) -> int | None:
    if isinstance(key, str):
        return int(key) if key.isdecimal() and len(key) < 10 else None
    return key if isinstance(key, int) and not isinstance(key, bool) else None


def _root(file: _Mapping, notes: list[str]) -> Path:
    """Return the folder of ``path:``: relative to the data.yaml, else to the working directory."""
    entry = file.content.get("path")
    if entry is None:
        return file.path.parent
    if not isinstance(entry, str):
        raise HooklineError(f"'path: {_plain(entry)}' in {file.location('path')} is not a path", "give a folder")
    for folder in (file.path.parent, Path()):
        if found := existing(entry, lambda text: is_folder(_absolute(folder / path_of(text)))):  # noqa: B023  called now
            place = _absolute(folder / path_of(found))
            if folder != file.path.parent:
                notes.append(f"'path: {entry}' in '{file.path}' is relative to the working directory: '{place}'")
            elif found != entry:
                notes.append(f"'path: {entry}' in '{file.path}' was read as '{found}'")
            return place
    looked_for = _absolute(file.path.parent / path_of(entry))
    raise HooklineError(
        f"'path: {_plain(entry)}' in {file.location('path')} is not a folder",
        hint(entry, f"looked for '{_plain(str(looked_for))}'; a relative path starts at the folder of the data.yaml"),
    )


def _entries(file: _Mapping, split: str) -> Sequence[str]:
    value = file.content[split]
    entries = value if isinstance(value, list) else [value]
    return [_entry(file, split, index, entry) for index, entry in enumerate(entries)]


def _entry(file: _Mapping, split: str, index: int, entry: Value) -> str:
    if not isinstance(entry, str):
        raise HooklineError(
            f"'{split}: {_plain(entry)}' in {file.location(split, index)} is not a path",
            "give a folder, a .txt list, or a YAML list of them",
        )
    return entry


def _place(file: _Mapping, root: Path, split: str, entry: str, notes: list[str]) -> Path:
    """Return the folder or .txt list of one entry of a split."""

    def lists_images(text: str) -> bool:
        return _lists_images(_absolute(root / path_of(text)))

    found = existing(entry, lists_images)
    # Some labelling tools write ../train/images for a folder next to the data.yaml.
    if found is None and entry.startswith(("../", "..\\")):
        found = existing(entry[3:], lists_images)
    if found is not None:
        if found != entry:
            notes.append(f"'{split}: {entry}' in '{file.path}' was read as '{found}'")
        return _absolute(root / path_of(found))
    place = _absolute(root / path_of(entry))
    what = "is neither a folder nor a .txt list" if exists(place) else "does not exist"
    raise HooklineError(
        f"'{split}: {_plain(entry)}' in {file.location(split)} {what}",
        hint(entry, f"looked for '{_plain(str(place))}'; correct it, or remove '{split}:'"),
    )


def _lists_images(place: Path) -> bool:
    return is_folder(place) or (place.suffix == ".txt" and is_file(place))


def _plain(value: object) -> str:
    """Return a value as the file has it; a long one is shortened to keep the line number in the message."""
    return value if isinstance(value, str) and len(value) <= MAX_SHOWN else shown(value)


def _absolute(path: Path) -> Path:
    """Remove ``..`` but do not resolve symbolic links: the path of a label file follows from the names of folders."""
    return Path(os.path.abspath(path))
