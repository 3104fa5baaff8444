"""JSON annotations: COCO's instances files and the lists of Create ML, each value checked."""

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
from stages.convert.records import Annotations, Box, Corners, Item

MAX_BYTES = 2 << 30
"""Bytes of a JSON file; the instances of COCO's train2017 have 450 MB."""


@dataclass(frozen=True)
class Row:
    """A JSON object, and where it is.

    Attributes:
        file: The file.
        place: Place in the file, e.g. ``images[3]``; empty for the whole of it.
        value: The object.
    """

    file: Path
    place: str
    value: dict[str, object]

    def has(self, key: str) -> bool:
        """Return whether the key is there with a value that is not empty, false or null."""
        return bool(self.value.get(key))

    def rows(self, key: str) -> Iterator[Row]:
        """Yield the objects of a list."""
        return rows_of(self.file, self._below(key), self._get(key))

    def row(self, key: str) -> Row:
        """Return an object."""
        return row_of(self.file, self._below(key), self._get(key))

    def text(self, key: str) -> str:
        """Return a text; a number becomes one."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.refuse(key, f"is {shown(value)}, expected a text")
        return str(value)

    def identity(self, key: str) -> str | int:
        """Return what names an object: a whole number or a text."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(key, f"is {shown(value)}, expected a whole number or a text")
        return value

    def number(self, key: str) -> float:
        """Return a finite number, or a text that is one."""
        return self._number(key, self._get(key))

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """Return a list of ``count`` finite numbers."""
        value = self._get(key)
        if not isinstance(value, list) or len(value) != count:
            self.refuse(key, f"is {shown(value)}, expected {count} numbers")
        return tuple(self._number(key, item) for item in value)

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the error for what is wrong with a key."""
        raise HooklineError(f"'{self._below(key)}' of '{self.file}' {problem}", "export the annotations again")

    def _get(self, key: str) -> object:
        if key not in self.value:
            self.refuse(key, "is missing")
        return self.value[key]

    def _below(self, key: str) -> str:
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
        HooklineError: It cannot be read or is not JSON.
    """
    try:
        value: object = json.loads(read_regular(file, MAX_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise HooklineError(f"cannot read '{file}' ({error.strerror})", "check its name and its rights") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of too many digits, nested too deeply
        raise HooklineError(f"'{file}' is not valid JSON ({error})", "export the annotations again") from error
    return value


def row_of(file: Path, place: str, value: object) -> Row:
    """Return an object with its place.

    Raises:
        HooklineError: It is not an object.
    """
    if not isinstance(value, dict):
        where = f"'{place}' of '{file}'" if place else f"'{file}'"
        raise HooklineError(f"{where} is {shown(value)}, expected an object", "export the annotations again")
    return Row(file, place, value)


def rows_of(file: Path, place: str, value: object) -> Iterator[Row]:
    """Yield the objects of a list with their places.

    Raises:
        HooklineError: It is not a list, or an item is not an object.
    """
    if not isinstance(value, list):
        where = f"'{place}' of '{file}'" if place else f"'{file}'"
        raise HooklineError(f"{where} is {shown(value)}, expected a list", "export the annotations again")
    return (row_of(file, f"{place}[{index}]", item) for index, item in enumerate(value))


def read_coco(place: AnnotationPlace, pictures: ImageFinder, into: Annotations) -> None:
    """Read instances files; classes are in the order of their ids, which may have gaps."""
    for file in files_of(place, Format.coco):
        _take_coco(row_of(file, "", load_json(file)), place, pictures, into)


def read_createml(place: AnnotationPlace, pictures: ImageFinder, into: Annotations) -> None:
    """Read lists of Create ML; classes are sorted by name. Coordinates are the centre and size in pixels."""
    names = set(into.names)
    for file in files_of(place, Format.createml):
        split = place.split_of(file, by_name=True)
        for row in rows_of(file, "", load_json(file)):
            named = row.text("image" if row.has("image") else "imagefilename")
            key = "annotations" if row.has("annotations") else "annotation"
            boxes = tuple(map(_createml_box, row.rows(key))) if row.has(key) else ()
            names.update(box.name for box in boxes)
            _add(into, pictures.find(named, file), named, boxes=boxes, split=split)
    into.names = tuple(sorted(names))


def _take_coco(content: Row, place: AnnotationPlace, pictures: ImageFinder, into: Annotations) -> None:
    file = content.file
    categories = sorted(content.rows("categories"), key=lambda row: row.number("id"))
    names = {row.identity("id"): row.text("name") for row in categories}
    into.names = tuple(dict.fromkeys([*into.names, *names.values()]))
    boxes: dict[str | int, list[Box]] = defaultdict(list)
    for row in content.rows("annotations"):
        if row.has("iscrowd"):
            into.told["crowd regions, dropped"] += 1
        elif not row.has("bbox"):
            into.told["objects without a box, dropped"] += 1
        else:
            boxes[row.identity("image_id")].append(Box(_category(row, names), _corners(row)))
    split = place.split_of(file, by_name=True)
    for image in content.rows("images"):
        height, width = (int(image.number(key)) if image.has(key) else 0 for key in ("height", "width"))
        stated = (height, width) if height > 0 and width > 0 else None
        named = image.text("file_name")
        mine = tuple(boxes.pop(image.identity("id"), ()))
        _add(into, pictures.find(named, file), named, boxes=mine, split=split, stated=stated)
    if boxes:
        into.told["boxes of images that the file does not list, dropped"] += sum(map(len, boxes.values()))


def _category(row: Row, names: Mapping[str | int, str]) -> str:
    number = row.identity("category_id")
    if number not in names:
        row.refuse("category_id", f"is {shown(number)}, which 'categories' does not name")
    return names[number]


def _corners(row: Row) -> Corners:
    """Of COCO's x, y, width, height."""
    left, top, width, height = row.numbers("bbox", 4)
    return left, top, left + width, top + height


def _createml_box(item: Row) -> Box:
    place = item.row("coordinates")
    x, y, width, height = (place.number(key) for key in ("x", "y", "width", "height"))
    return Box(item.text("label"), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _add(
    into: Annotations,
    picture: Path | None,
    named: str,
    *,
    boxes: tuple[Box, ...],
    split: str | None,
    stated: tuple[int, int] | None = None,
) -> None:
    if picture is None:
        into.missing.append(named)
    else:
        into.items.append(Item(picture, boxes, pixels=True, stated=stated, split=split))
