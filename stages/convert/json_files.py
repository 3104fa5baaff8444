"""JSON annotations: COCO's instances files and the lists of Create ML."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import HooklineError
from stages.convert import Format
from stages.convert.detect import Place, files_of
from stages.convert.pictures import Pictures
from stages.convert.records import Annotations, Box, Corners, Item

_DAMAGE = (KeyError, TypeError, AttributeError, ValueError, OverflowError)


def read_coco(place: Place, pictures: Pictures, into: Annotations) -> None:
    """Read instances files; classes are in the order of their ids, which may have gaps."""
    for file in files_of(place, Format.coco):
        content = _load(file)
        try:
            _take_coco(file, content, place, pictures, into)
        except _DAMAGE as error:
            raise _damaged(file, error, "COCO instances") from error


def read_createml(place: Place, pictures: Pictures, into: Annotations) -> None:
    """Read lists of Create ML; classes are sorted by name. Coordinates are the centre and size in pixels."""
    names = set(into.names)
    for file in files_of(place, Format.createml):
        split = place.split_of(file, by_name=True)
        try:
            for row in _load(file):
                named = str(row.get("image") or row["imagefilename"])
                boxes = tuple(_createml_box(item) for item in row.get("annotations") or row.get("annotation") or ())
                names.update(box.name for box in boxes)
                _add(into, pictures.find(named, file), named, boxes=boxes, split=split)
        except _DAMAGE as error:
            raise _damaged(file, error, "CreateML") from error
    into.names = tuple(sorted(names))


def _take_coco(file: Path, content: Mapping[str, Any], place: Place, pictures: Pictures, into: Annotations) -> None:
    names = {row["id"]: str(row["name"]) for row in sorted(content["categories"], key=lambda row: int(row["id"]))}
    into.names = tuple(dict.fromkeys([*into.names, *names.values()]))
    boxes: dict[Any, list[Box]] = defaultdict(list)
    for row in content["annotations"]:
        if row.get("iscrowd"):
            into.told["crowd regions were dropped"] += 1
        elif not row.get("bbox"):
            into.told["objects had no box and were dropped"] += 1
        else:
            boxes[row["image_id"]].append(Box(_category(row, names, file), _corners(row["bbox"])))
    split = place.split_of(file, by_name=True)
    for image in content["images"]:
        height, width = int(image.get("height") or 0), int(image.get("width") or 0)
        stated = (height, width) if height > 0 and width > 0 else None
        named = str(image["file_name"])
        mine = tuple(boxes.pop(image["id"], ()))
        _add(into, pictures.find(named, file), named, boxes=mine, stated=stated, split=split)
    if boxes:
        into.told["boxes were of pictures that the file does not list"] += sum(map(len, boxes.values()))


def _category(row: Mapping[str, Any], names: Mapping[Any, str], file: Path) -> str:
    if row["category_id"] not in names:
        raise HooklineError(
            f"annotation {row.get('id')} in '{file}' is of category {row['category_id']}, which it does not name",
            "add it to 'categories'",
        )
    return names[row["category_id"]]


def _corners(box: Sequence[float]) -> Corners:
    """Of COCO's x, y, width, height."""
    left, top, width, height = _numbers(box)
    return left, top, left + width, top + height


def _createml_box(item: Mapping[str, Any]) -> Box:
    place = item["coordinates"]
    x, y, width, height = _numbers([place[key] for key in ("x", "y", "width", "height")])
    return Box(str(item["label"]), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _numbers(values: Sequence[Any]) -> Corners:
    numbers = tuple(map(float, values))
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a box is {list(values)}")
    return numbers


def _add(into: Annotations, picture: Path | None, named: str, **item: Any) -> None:
    if picture is None:
        into.missing.append(named)
    else:
        into.items.append(Item(picture, pixels=True, **item))


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise HooklineError(f"'{file}' is not valid JSON ({error})", "export it again") from error


def _damaged(file: Path, error: Exception, kind: str) -> HooklineError:
    what = f"no {error}" if isinstance(error, KeyError) else str(error)
    return HooklineError(f"'{file}' is not {kind} JSON as expected ({what})", "export it again")
