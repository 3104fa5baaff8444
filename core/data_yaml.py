"""Reading data.yaml: class names, and where the pictures of each split are (docs/contracts.md, "Data set")."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import HooklineError, shown
from core.media.nearest import nearest_names

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DataSpec:
    """What a data.yaml says.

    Attributes:
        path: The data.yaml itself, absolute.
        root: The folder that the splits are relative to, absolute.
        names: Class names, index = class id.
        splits: Per split the folders and .txt lists of pictures, absolute and existing.
        notes: What was read with goodwill, for the user to see.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    splits: Mapping[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()


def read_data_yaml(path: Path | str) -> DataSpec:
    """Read and check a data.yaml; pictures and labels are not looked at.

    Raises:
        HooklineError: The file is not there or not a data.yaml, names and nc disagree, or a split
            points at nothing.
    """
    file = _absolute(Path(path))
    content = _load(file)
    notes: list[str] = []
    names = _names(file, content)
    root = _root(file, content.get("path"), notes)
    splits = {
        split: tuple(_place(file, root, split, entry, notes) for entry in _entries(file, split, content[split]))
        for split in SPLITS
        if content.get(split)
    }
    if not splits:
        raise HooklineError(f"'{file}' names no pictures", "it needs 'train:' and 'val:', each a folder or a .txt list")
    return DataSpec(file, root, names, splits, tuple(notes))


def _load(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HooklineError(f"no data set file '{file}'", nearest_names(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise HooklineError(f"cannot read '{file}' ({error})", "data= takes the path of a data.yaml") from error
    except yaml.YAMLError as error:
        raise HooklineError(f"'{file}' is not valid YAML: {error}", "correct it there") from error
    if not isinstance(content, dict):
        raise HooklineError(f"'{file}' is not a data.yaml", "it needs the keys 'names', 'train' and 'val'")
    return content


def _names(file: Path, content: Mapping[str, Any]) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        names = _in_order(file, names)
    if not isinstance(names, list) or not names:
        raise HooklineError(f"'{file}' has no class names", "it needs 'names:', a list or a mapping from 0 upwards")
    for index, name in enumerate(names):
        if isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise HooklineError(f"class {index} in '{file}' is {shown(name)} to YAML", "put its name in quotes")
        if any(0xD800 <= ord(sign) <= 0xDFFF for sign in str(name)):
            raise HooklineError(f"class {index} in '{file}' is {str(name)!a}, which is not Unicode", "correct its name")
    count = content.get("nc", len(names))
    if count != len(names):
        raise HooklineError(f"'{file}' says nc: {count} but names {len(names)} classes", "make them agree or drop nc")
    return tuple(str(name) for name in names)


def _in_order(file: Path, names: Mapping[Any, Any]) -> list[Any]:
    """The values of ``{0: a, 1: b, ...}`` by key; keys may be quoted numbers."""
    by_id = {int(key) if str(key).isdecimal() else key: name for key, name in names.items()}
    if set(by_id) != set(range(len(names))):
        raise HooklineError(
            f"the keys of 'names' in '{file}' are {', '.join(map(str, names))}",
            f"{len(names)} classes are numbered 0 to {len(names) - 1}",
        )
    return [by_id[index] for index in range(len(names))]


def _root(file: Path, entry: Any, notes: list[str]) -> Path:
    """The folder that ``path:`` means: relative to the yaml, else to the working directory."""
    if entry is None:
        return file.parent
    given = Path(str(entry)).expanduser()
    beside, here = _absolute(file.parent / given), _absolute(given)
    if beside.is_dir():
        return beside
    if here.is_dir():
        notes.append(f"'path: {entry}' of '{file}' was found from the working directory: '{here}'")
        return here
    raise HooklineError(
        f"'path: {entry}' of '{file}' is not a folder",
        f"looked for '{beside}'; a relative path starts at the folder of the data.yaml",
    )


def _entries(file: Path, split: str, value: Any) -> Sequence[str]:
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        if not isinstance(entry, str):
            raise HooklineError(
                f"'{split}: {value}' in '{file}' is not a path", "give a folder, a .txt list, or a list"
            )
    return entries


def _place(file: Path, root: Path, split: str, entry: str, notes: list[str]) -> Path:
    """The folder or list that one entry of a split means."""
    place = _absolute(root / Path(entry).expanduser())
    if place.is_dir() or (place.is_file() and place.suffix == ".txt"):
        return place
    # Exports of some labelling tools say ../train/images for a folder beside the data.yaml.
    if entry.startswith("../") and (beside := root / entry[3:]).exists():
        notes.append(f"'{split}: {entry}' of '{file}' was read as '{entry[3:]}'")
        return _absolute(beside)
    what = "is neither a folder nor a .txt list" if place.exists() else "is not there"
    raise HooklineError(
        f"'{split}: {entry}' in '{file}' {what}",
        f"looked for '{place}'; correct it, or take '{split}:' out",
    )


def _absolute(path: Path) -> Path:
    """Without ``..`` but with symbolic links as they are: labels are found by the names on the way."""
    return Path(os.path.abspath(path.expanduser()))
