"""JSON annotations: COCO's instances files and the lists of Create ML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from core.errors import shown
from stages.convert import Format
from stages.convert.detect import Place, files_of
from stages.convert.json_rows import Row, load_json, row_of, rows_of
from stages.convert.pictures import Pictures
from stages.convert.records import Annotations, Box, Corners, Item


def read_coco(place: Place, pictures: Pictures, into: Annotations) -> None:
    """Read instances files; classes are in the order of their ids, which may have gaps."""
    for file in files_of(place, Format.coco):
        _take_coco(row_of(file, "", load_json(file)), place, pictures, into)


def read_createml(place: Place, pictures: Pictures, into: Annotations) -> None:
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


def _take_coco(content: Row, place: Place, pictures: Pictures, into: Annotations) -> None:
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
