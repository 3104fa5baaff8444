"""Pascal VOC: one XML file a picture, as labelImg writes them too."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from core.errors import HooklineError
from core.files.regular_file import is_file, read_regular
from core.media.listing import list_entries
from stages.convert.config import Format
from stages.convert.detect import AnnotationPlace, files_of
from stages.convert.images import ImageFinder
from stages.convert.records import Annotations, Box, Corners, Item

EDGES = ("xmin", "ymin", "xmax", "ymax")
MAX_BYTES = 8 << 20
"""Bytes of an XML file: some 20,000 boxes."""
FLAGS = ("difficult", "truncated", "occluded")


def read_voc(place: AnnotationPlace, pictures: ImageFinder, into: Annotations) -> None:
    """Read every .xml file of a place; classes are sorted by name."""
    lists = _image_sets(place.folder)
    names = set(into.names)
    for file in files_of(place, Format.voc):
        root = _parse(file)
        if root.tag != "annotation":
            into.told["XML files that are not annotations, left out"] += 1
            continue
        boxes = tuple(_boxes(root, file, into.told))
        names.update(box.name for box in boxes)
        stated = _text(root, "filename") or file.stem
        picture = pictures.find(stated, file) or pictures.find(file.stem, file, suffix=False)
        if picture is None:
            into.missing.append(stated)
            continue
        split = place.split or lists.get(file.stem) if lists else place.split_of(file)
        into.items.append(Item(picture, boxes, pixels=True, stated=_size(root, file), split=split))
    into.names = tuple(sorted(names))


def _parse(file: Path) -> ElementTree.Element:
    """The root of the XML.

    Raises:
        HooklineError: Not XML, or with a DOCTYPE: its entities could fill the memory, and no tool writes one.
    """
    try:
        content = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise HooklineError(f"cannot read '{file}' ({error.strerror})", "correct it, or move it away") from error
    scanner = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise HooklineError(f"'{file}' has a DOCTYPE", "remove that line; annotations do not need one")

    scanner.StartDoctypeDeclHandler = refuse
    try:
        scanner.Parse(content, True)  # noqa: FBT003 - the parameter has no name
        return ElementTree.fromstring(content)  # noqa: S314 - without a DOCTYPE there are no entities
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:  # also unknown encodings
        raise HooklineError(f"'{file}' is not valid XML ({error})", "correct or remove it") from error


def _boxes(root: ElementTree.Element, file: Path, told: Counter[str]) -> Iterator[Box]:
    for item in root.iter("object"):
        name, frame = _text(item, "name"), item.find("bndbox")
        if not name:
            raise HooklineError(f"an object in '{file}' has no name", "correct it")
        if frame is None:
            told["objects without a box, dropped"] += 1
            continue
        for flag in FLAGS:
            told[f"boxes marked {flag} (kept)"] += _text(item, flag) == "1"
        yield Box(name, _corners(frame, file))


def _corners(frame: ElementTree.Element, file: Path) -> Corners:
    try:
        left, top, right, bottom = edges = tuple(float(_text(frame, edge)) for edge in EDGES)
        if not all(map(math.isfinite, edges)):
            raise ValueError
    except ValueError:
        raise HooklineError(f"a box in '{file}' lacks numbers for {', '.join(EDGES)}", "correct it") from None
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _size(root: ElementTree.Element, file: Path) -> tuple[int, int] | None:
    """Height and width; None where they are missing or zero, as some tools write them."""
    try:
        height, width = (int(float(_text(root, f"size/{edge}") or 0)) for edge in ("height", "width"))
    except (ValueError, OverflowError):
        raise HooklineError(f"the size in '{file}' is not numbers", "correct or remove <size>") from None
    return (height, width) if height > 0 and width > 0 else None


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _image_sets(folder: Path) -> Mapping[str, str]:
    """Stem -> split, from VOC's ImageSets/Main; empty where there is none."""
    found: dict[str, str] = {}
    for split in ("train", "val", "test"):
        file = folder / "ImageSets" / "Main" / f"{split}.txt"
        if is_file(file):
            found |= {line.split()[0]: split for _, line in list_entries(file)}
    return found
