"""Read Pascal VOC annotations, one XML file per image, as labelImg also writes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from core.errors import HooklineError
from core.files.regular_file import is_file, read_regular
from core.media.listing import list_entries
from stages.convert.config import SPLITS, Format
from stages.convert.detect import AnnotationPlace, files_of, unreadable
from stages.convert.images import ImageFinder
from stages.convert.records import Annotations, Box, Corners, Item

EDGES = ("xmin", "ymin", "xmax", "ymax")
MAX_BYTES = 8 << 20
"""Maximum bytes of an XML file: about 20,000 boxes."""
FLAGS = ("difficult", "truncated", "occluded")


def read_voc(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read every .xml file of a place; classes are sorted by name."""
    lists = _image_sets(place.folder)
    names = set(into.names)
    for file in files_of(place, Format.voc):
        root = _parse(file)
        if root.tag != "annotation":
            into.remarks["XML files that are not annotations, skipped"] += 1
            continue
        boxes = tuple(_boxes(root, file, into))
        names.update(box.name for box in boxes)
        filename = _text(root, "filename") or file.stem
        image = images.find(filename, file) or images.find(file.stem, file, suffix=False)
        if image is None:
            into.missing.append(filename)
            continue
        split = place.split or lists.get(file.stem) if lists else place.split_of(file)
        into.items.append(Item(image, boxes, pixels=True, annotated_size=_size(root, file), split=split))
    into.names = tuple(sorted(names))


def _parse(file: Path) -> ElementTree.Element:
    """Return the root element of an XML file.

    Raises:
        HooklineError: The file is not XML, or has a DOCTYPE, which no tool writes and which could exhaust the memory.
    """
    try:
        content = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise unreadable(file, error) from error
    scanner = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise HooklineError(f"'{file}' has a DOCTYPE", "remove that line; annotations do not need it")

    scanner.StartDoctypeDeclHandler = refuse
    try:
        scanner.Parse(content, True)  # noqa: FBT003 - the parameter has no name
        return ElementTree.fromstring(content)  # noqa: S314 - no entities without a DOCTYPE
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:  # also unknown encodings
        raise HooklineError(f"'{file}' is not valid XML ({error})", "correct or remove it") from error


def _boxes(root: ElementTree.Element, file: Path, into: Annotations) -> Iterator[Box]:
    for item in root.iter("object"):
        name, frame = _text(item, "name"), item.find("bndbox")
        if not name:
            raise HooklineError(f"an object in '{file}' has no name", "add its <name>, or remove the object")
        if frame is None:
            into.remarks["objects without a box, dropped"] += 1
            continue
        for flag in FLAGS:
            into.notes[f"boxes marked {flag} (kept)"] += _text(item, flag) == "1"
        yield Box(name, _corners(frame, file))


def _corners(frame: ElementTree.Element, file: Path) -> Corners:
    try:
        left, top, right, bottom = edges = tuple(float(_text(frame, edge)) for edge in EDGES)
        if not all(map(math.isfinite, edges)):
            raise ValueError
    except ValueError:
        raise HooklineError(
            f"a box in '{file}' needs finite numbers for {', '.join(EDGES)}", "correct the box"
        ) from None
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _size(root: ElementTree.Element, file: Path) -> tuple[int, int] | None:
    """Return height and width, None if they are missing or zero, as some tools write them."""
    try:
        height, width = (int(float(_text(root, f"size/{edge}") or 0)) for edge in ("height", "width"))
    except (ValueError, OverflowError):
        raise HooklineError(f"the size in '{file}' is not numeric", "correct or remove <size>") from None
    return (height, width) if height > 0 and width > 0 else None


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _image_sets(folder: Path) -> Mapping[str, str]:
    """Return the split of each stem from VOC's ImageSets/Main; empty without that folder."""
    found: dict[str, str] = {}
    for split in SPLITS:
        file = folder / "ImageSets" / "Main" / f"{split}.txt"
        if is_file(file):
            found |= {line.split()[0]: split for _, line in list_entries(file)}
    return found
