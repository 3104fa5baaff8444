"""Read YOLO text files: a data.yaml, labelImg folders with classes.txt, and Label Studio's YOLO export."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from core.data.data_yaml import read_data_yaml
from core.data.dataset import list_samples
from core.data.label_rows import RowError, RowProblem, parse_row
from core.errors import HooklineError
from core.files.regular_file import is_file, read_regular
from core.label_classes import LabelClasses
from core.labels import MAX_BYTES, ROW, size_of
from core.model_limits import MAX_CLASSES
from stages.convert.detect import (
    CLASSES,
    NOTES,
    AnnotationPlace,
    classes_file,
    data_yaml,
    first_values,
    unreadable,
    visible,
)
from stages.convert.images import ImageFinder
from stages.convert.json_files import load_json, object_of
from stages.convert.records import Annotations, Box, Item

UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""Prefix of Label Studio before the name of an uploaded image."""


def read_yolo(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read a data.yaml, or the label files of a folder with classes.txt, else with the classes of ``convert.names``."""
    file = place.path if is_file(place.path) else data_yaml(place.path)
    if file is not None:
        _read_data_yaml(file, place, images, into)
        return
    listing = classes_file(place.path)
    if listing is None:
        _read_unlisted(place, images, into)
        return
    names = _lines(listing)
    for other in visible(place.path, CLASSES[0]):
        if _lines(other) != names:
            raise HooklineError(
                f"'{listing}' and '{other}' list different classes",
                "give their folders as convert.source=[<one>,<other>]",
            )
    _take_names(into, names, f"'{listing}'")
    _read_labels(place, names, images, into)


def _read_unlisted(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read the label files of a folder without a list of classes: class 0 is the first name of ``convert.names``."""
    if not into.given:
        hint = (
            "add the one that labelImg writes (one class name per line, in order), or give all classes: "
            "convert.names=[<class 0>,<class 1>,...]"
        )
        raise HooklineError(f"'{place.path}' has no classes.txt", hint)
    _take_names(into, into.given, "convert.names")
    into.notes["label folders without classes.txt, read with the classes of convert.names"] += 1
    _read_labels(place, into.given, images, into)


def read_labelstudio(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read the label files of a Label Studio export, with the classes of its notes.json."""
    notes = place.path / NOTES
    by_id: dict[int, str] = {}
    for row in object_of(notes, "", load_json(notes)).children("categories"):
        number = row.number("id")
        if not number.is_integer() or not 0 <= number < MAX_CLASSES:
            row.refuse("id", f"is {number:g}, expected a class number from 0 to {MAX_CLASSES - 1}")
        by_id[int(number)] = row.text("name")
    names = [by_id.get(number, "") for number in range(max(by_id, default=-1) + 1)]
    _take_names(into, names, f"'{notes}'")
    _read_labels(place, names, images, into)


def lists_images(place: AnnotationPlace) -> bool:
    """Return whether a place in YOLO layout has a data.yaml, which lists its images."""
    return is_file(place.path) or data_yaml(place.path) is not None


def add_background(places: Sequence[AnnotationPlace], images: ImageFinder, into: Annotations) -> None:
    """Add the images without a label file as background, except in places with a data.yaml, which lists its images."""
    listing = [place for place in places if lists_images(place)]
    if len(listing) == len(places):
        return
    labelled = {item.image for item in into.items}
    # With several places, images in convert.pictures belong to none of them.
    elsewhere = places[0] if len(places) == 1 else None
    for image in images.files:
        place = next((place for place in places if place.folder in image.parents), elsewhere)
        if image not in labelled and place not in listing:
            into.items.append(Item(image, (), split=place.split_of(image) if place else None))


def _read_data_yaml(file: Path, place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    spec = read_data_yaml(file)
    classes = spec.classes or LabelClasses(spec.names)
    _take_names(into, classes.names, f"'{file}'")
    for region, targets in classes.ignore.items():
        into.add_regions(region, targets)
    for split in spec.splits:
        for sample in list_samples(spec, split, images.passed):
            boxes = tuple(_boxes(sample.label, sample.image, classes.written, into.remarks)) if sample.label else ()
            into.items.append(Item(sample.image, boxes, split=place.split or split))


def _read_labels(place: AnnotationPlace, names: Sequence[str], images: ImageFinder, into: Annotations) -> None:
    """Read each label file and find its image."""
    for label in visible(place.path, "*.txt"):
        if label.name in CLASSES:
            continue
        image = _image_of(label, place.path, images)
        if image is None:
            if first_values(label) is not None:
                into.missing.append(str(label.relative_to(place.path)))
            else:
                into.remarks["text files that are not labels, skipped"] += 1
            continue
        into.items.append(Item(image, tuple(_boxes(label, image, names, into.remarks)), split=place.split_of(label)))


def _image_of(label: Path, root: Path, images: ImageFinder) -> Path | None:
    named = label.relative_to(root).with_suffix("").as_posix()
    folder, _, name = named.rpartition("/")
    original = f"{folder}/{UPLOAD.sub('', name)}"
    return images.find(named, label, suffix=False) or images.find(original, label, suffix=False)


def _take_names(into: Annotations, names: Sequence[str], origin: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise HooklineError(f"class '{twice[0]}' occurs twice in {origin}", "give each class a unique name")
    into.names = tuple(dict.fromkeys([*into.names, *filter(None, names)]))


def _lines(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in read_regular(file, MAX_BYTES).decode("utf-8-sig").splitlines()]
    except OSError as error:
        raise unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise HooklineError(f"'{file}' is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _boxes(file: Path, image: Path, names: Sequence[str], remarks: Counter[str]) -> Iterator[Box]:
    for number, line in enumerate(_lines(file), start=1):
        if not line:
            continue
        try:
            found = parse_row(line, len(names), partial(size_of, image))
        except RowError as error:
            if error.problem is RowProblem.empty:
                remarks["boxes without area, dropped"] += 1
                continue
            raise HooklineError(f"line {number} of '{file}' {error}", ROW) from error
        if not (name := names[found.class_id]):
            hint = "check that the list of class names belongs to these labels"
            raise HooklineError(f"line {number} of '{file}' has class {found.class_id}, which has no name", hint)
        remarks.update(_REMARKS[problem] for problem, _ in found.repairs if problem in _REMARKS)
        x, y, width, height = found.box
        yield Box(name, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


_REMARKS = {
    RowProblem.score: "rows with a score, which was ignored",
    RowProblem.polygon: "polygons replaced by their bounding boxes",
    RowProblem.clipped: "boxes beyond their image by less than a pixel, clipped",
}
"""Remarks about repairs of rows. Boxes whose corners leave the image are clipped and counted when they are written."""
