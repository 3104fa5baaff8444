"""Options of the stage ``convert``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.options.fields import place, shared

SPLITS = ("train", "val", "test")


class Format(str, Enum):
    """Format of the annotations.

    ``yolo``: a data.yaml, or labelImg's text files with classes.txt. ``voc``: Pascal VOC XML. ``createml``: JSON lists
    of Create ML. ``coco``: COCO instances JSON. ``labelstudio``: YOLO export of Label Studio. ``auto``: detect it.
    """

    auto = "auto"
    yolo = "yolo"
    voc = "voc"
    createml = "createml"
    coco = "coco"
    labelstudio = "labelstudio"


class Link(str, Enum):
    """How images are added to the new data set; ``hardlink`` and ``symlink`` take no disk space."""

    copy = "copy"
    hardlink = "hardlink"
    symlink = "symlink"


class Missing(str, Enum):
    """Handling of missing and unreadable images."""

    stop = "stop"
    skip = "skip"


@dataclass
class ConvertConfig:
    """Options of the stage.

    Attributes:
        source: Folder or file of annotations, a list of them, or {train: <file>, val: <file>}.
        pictures: Folder of the images; null: the folder of the annotations.
        format: Format of the annotations: auto (detect it), yolo, voc, createml, coco or labelstudio.
        link: How images are added to the new data set: copy, hardlink or symlink.
        split: Shares of a random split by seed, stratified by class, e.g. {train: 0.8, val: 0.2}; null: the splits of
            the source if it has any, else these shares.
        names: Classes to keep, in order, also those without objects; {old: new} also renames classes, and merges those
            with the same new name. For label files without classes.txt: the names of class 0, 1, ... Null: all.
        missing: Missing and unreadable images: stop, or skip them.
        max_pixels: Maximum width x height of an image, checked in the header before decoding.
    """

    source: Any = place(None)
    pictures: str | None = place(None)
    format: Format = Format.auto
    link: Link = Link.copy
    split: Any = None
    names: Any = None
    missing: Missing = Missing.stop
    max_pixels: int = shared("max_pixels")
