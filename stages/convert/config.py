"""Options of the stage ``convert``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.options.fields import place, shared

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
