"""Stage ``convert``: what annotation tools write becomes a data set in YOLO layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from core.artifacts import Dataset
from core.config import place, shared
from core.errors import HooklineError, shown
from core.hookspecs import hookimpl
from core.regular_file import is_folder
from core.stage import Stage
from core.user_paths import user_path

if TYPE_CHECKING:
    from core.context import RunContext

SPLITS = ("train", "val", "test")


class Format(str, Enum):
    """Who wrote the annotations.

    ``yolo``: a data.yaml, or labelImg's text files with classes.txt. ``voc``: Pascal VOC XML. ``createml``: JSON
    lists of Create ML. ``coco``: instances JSON. ``labelstudio``: Label Studio's YOLO export. ``auto``: looks.
    """

    auto = "auto"
    yolo = "yolo"
    voc = "voc"
    createml = "createml"
    coco = "coco"
    labelstudio = "labelstudio"


class Link(str, Enum):
    """How images come into the new data set; ``hardlink`` and ``symlink`` need no room."""

    copy = "copy"
    hardlink = "hardlink"
    symlink = "symlink"


class Missing(str, Enum):
    """What is done about pictures that are not there or cannot be read."""

    stop = "stop"
    skip = "skip"


@dataclass
class ConvertConfig:
    """Options of the stage.

    Attributes:
        source: Folder or file of annotations, a list of them, or {train: <file>, val: <file>}.
        pictures: Folder of the images; null: the folder of the annotations.
        format: auto, yolo, voc, createml, coco or labelstudio.
        link: How images come into the new data set: copy, hardlink or symlink.
        split: Shares, e.g. {train: 0.8, val: 0.2}, drawn by seed and stratified by class; null: the splits that the
            source has, else these.
        names: The classes to keep, in order; {old: new} also renames, and merges where new ones repeat. Null: all.
        missing: Images that are missing or cannot be read: stop, or skip them.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
    """

    source: Any = place(None)
    pictures: str | None = place(None)
    format: Format = Format.auto
    link: Link = Link.copy
    split: Any = None
    names: Any = None
    missing: Missing = Missing.stop
    max_pixels: int = shared("max_pixels")


def convert(config: ConvertConfig, context: RunContext) -> Dataset:
    """Read the annotations and write pictures, labels and data.yaml."""
    from stages.convert.converting import convert_source

    return convert_source(config, context)


def check(config: ConvertConfig) -> Iterable[HooklineError]:
    """A source that is not there or of no known kind, and options that make no sense."""
    from stages.convert.detect import find_format, sources_of

    try:
        find_format(sources_of(config.source), config.format)
    except HooklineError as problem:
        yield problem
    if config.pictures and not is_folder(user_path(config.pictures)):
        yield HooklineError(
            f"convert.pictures={shown(config.pictures)} is not a folder", "give the folder of the images"
        )
    if config.split is not None and (wrong := _split_problem(config.split)):
        yield HooklineError(
            f"convert.split={shown(config.split)} {wrong}", "give shares such as {train: 0.8, val: 0.2}"
        )
    if config.names is not None and not _are_names(config.names):
        yield HooklineError(
            f"convert.names={shown(config.names)} does not choose classes", "give [person,car] or {man: person}"
        )


def _are_names(names: object) -> bool:
    """Whether it is a list of names or a mapping of names to names; YAML takes some names for numbers."""
    if not isinstance(names, (list, dict)) or not names:
        return False
    given = [*names, *names.values()] if isinstance(names, dict) else names
    return all(isinstance(name, (str, int, float)) and not isinstance(name, bool) for name in given)


def _split_problem(split: object) -> str:
    if not isinstance(split, Mapping) or not split:
        return "is not a mapping"
    if strange := [str(name) for name in split if name not in SPLITS]:
        return f"names {', '.join(strange)}, possible: {', '.join(SPLITS)}"
    shares = list(split.values())
    if not all(isinstance(share, (int, float)) and 0 < share <= 1 for share in shares):
        return "has shares outside 0..1"
    return "" if abs(sum(shares) - 1) < 1e-6 else f"adds up to {sum(shares):g}, not 1"


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package. Not stored: the store would hold a second copy of every picture."""
    yield Stage(
        name="convert",
        summary="import labelImg, Pascal VOC, CreateML, COCO or Label Studio annotations as a YOLO data set",
        run=convert,
        check=check,
        stored=False,
        automatic=False,
    )
