"""Read JSON annotations, COCO instances and Create ML lists, and check each value."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from core.errors import HooklineError, shown
from core.files.regular_file import read_regular
from stages.convert.config import Format
from stages.convert.detect import AnnotationPlace, files_of
from stages.convert.images import ImageFinder
from stages.convert.records import Annotations, Box, Corners, Item, crowd_class

MAX_BYTES = 2 << 30
"""Maximum bytes of a JSON file; the instances of COCO train2017 have 450 MB."""


@dataclass(frozen=True)
class JsonObject:
    """A JSON object and its position, for messages.

    Attributes:
        file: The file.
        place: Path in the file, e.g. ``images[3]``; empty for the top level.
        value: The object.
    """

    file: Path
    place: str
    value: dict[str, object]

    def has(self, key: str) -> bool:
        """Return whether the key exists with a value that is not empty, 0, false or null."""
        return bool(self.value.get(key))

    def children(self, key: str) -> Iterator[JsonObject]:
        """Yield the objects of a list."""
        return objects_of(self.file, self._path(key), self._get(key))

    def child(self, key: str) -> JsonObject:
        """Return an object."""
        return object_of(self.file, self._path(key), self._get(key))

    def text(self, key: str) -> str:
        """Return a string; numbers are converted."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.refuse(key, f"is {shown(value)}, expected a string")
        return str(value)

    def identity(self, key: str) -> str | int:
        """Return an id: an integer or a string."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(key, f"is {shown(value)}, expected an integer or a string")
        return value

    def number(self, key: str) -> float:
        """Return a finite number, also from a string."""
        return self._number(key, self._get(key))

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of ``count`` finite numbers."""
        value = self._get(key)
        if not isinstance(value, list) or len(value) != count:
            self.refuse(key, f"is {shown(value)}, expected {count} numbers")
        return tuple(self._number(key, item) for item in value)

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the error for an invalid value."""
        raise HooklineError(f"'{self._path(key)}' of '{self.file}' {problem}", "export the annotations again")

    def _get(self, key: str) -> object:
        if key not in self.value:
            self.refuse(key, "is missing")
        return self.value[key]

    def _path(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _number(self, key: str, value: object) -> float:
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            self.refuse(key, f"is {shown(value)}, expected a finite number")
        return number


def load_json(file: Path) -> object:
    """Return the value of a JSON file.

    Raises:
        HooklineError: The file cannot be read or is not JSON.
    """
    try:
        value: object = json.loads(read_regular(file, MAX_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise HooklineError(f"cannot read '{file}' ({error.strerror})", "check its name and permissions") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, too many digits, too deeply nested
        raise HooklineError(f"'{file}' is not valid JSON ({error})", "export the annotations again") from error
    return value


def object_of(file: Path, place: str, value: object) -> JsonObject:
    """Return an object with its position.

    Raises:
        HooklineError: The value is not an object.
    """
    if not isinstance(value, dict):
        where = f"'{place}' of '{file}'" if place else f"'{file}'"
        raise HooklineError(f"{where} is {shown(value)}, expected an object", "export the annotations again")
    return JsonObject(file, place, value)


def objects_of(file: Path, place: str, value: object) -> Iterator[JsonObject]:
    """Yield the objects of a list with their positions.

    Raises:
        HooklineError: The value is not a list, or an item is not an object.
    """
    if not isinstance(value, list):
        where = f"'{place}' of '{file}'" if place else f"'{file}'"
        raise HooklineError(f"{where} is {shown(value)}, expected a list", "export the annotations again")
    return (object_of(file, f"{place}[{index}]", item) for index, item in enumerate(value))


def read_coco(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read COCO instances files; classes are ordered by their ids, which may have gaps.

    A crowd region becomes an ignore region of its class.
    """
    for file in files_of(place, Format.coco):
        _read_instances(object_of(file, "", load_json(file)), place, images, into)


def read_createml(place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    """Read Create ML lists; classes are sorted by name. Coordinates are centre and size in pixels."""
    names = set(into.names)
    for file in files_of(place, Format.createml):
        split = place.split_of(file, by_name=True)
        for row in objects_of(file, "", load_json(file)):
            named = row.text("image" if row.has("image") else "imagefilename")
            key = "annotations" if row.has("annotations") else "annotation"
            boxes = tuple(map(_createml_box, row.children(key))) if row.has(key) else ()
            names.update(box.name for box in boxes)
            _add(into, images.find(named, file), named, boxes=boxes, split=split)
    into.names = tuple(sorted(names))


def _read_instances(content: JsonObject, place: AnnotationPlace, images: ImageFinder, into: Annotations) -> None:
    file = content.file
    categories = sorted(content.children("categories"), key=lambda row: row.number("id"))
    names = {row.identity("id"): row.text("name") for row in categories}
    into.names = tuple(dict.fromkeys([*into.names, *names.values()]))
    boxes: dict[str | int, list[Box]] = defaultdict(list)
    for row in content.children("annotations"):
        if not row.has("bbox"):
            into.remarks["objects without a box, dropped"] += 1
            continue
        image, name = row.identity("image_id"), _category(row, names)
        if row.has("iscrowd"):
            into.crowds.add(name)
            into.add_regions(crowd_class(name), (name,))
            name = crowd_class(name)
        boxes[image].append(Box(name, _corners(row)))
    split = place.split_of(file, by_name=True)
    for row in content.children("images"):
        height, width = (int(row.number(key)) if row.has(key) else 0 for key in ("height", "width"))
        annotated_size = (height, width) if height > 0 and width > 0 else None
        named = row.text("file_name")
        mine = tuple(boxes.pop(row.identity("id"), ()))
        _add(into, images.find(named, file), named, boxes=mine, split=split, annotated_size=annotated_size)
    if boxes:
        into.remarks["boxes of images that the file does not list, dropped"] += sum(map(len, boxes.values()))


def _category(row: JsonObject, names: Mapping[str | int, str]) -> str:
    number = row.identity("category_id")
    if number not in names:
        row.refuse("category_id", f"is {shown(number)}, which is not in 'categories'")
    return names[number]


def _corners(row: JsonObject) -> Corners:
    """Return the corners of COCO's x, y, width, height."""
    left, top, width, height = row.numbers("bbox", 4)
    return left, top, left + width, top + height


def _createml_box(item: JsonObject) -> Box:
    place = item.child("coordinates")
    x, y, width, height = (place.number(key) for key in ("x", "y", "width", "height"))
    return Box(item.text("label"), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _add(
    into: Annotations,
    image: Path | None,
    named: str,
    *,
    boxes: tuple[Box, ...],
    split: str | None,
    annotated_size: tuple[int, int] | None = None,
) -> None:
    if image is None:
        into.missing.append(named)
    else:
        into.items.append(Item(image, boxes, pixels=True, annotated_size=annotated_size, split=split))
