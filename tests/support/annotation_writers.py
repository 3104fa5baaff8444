"""Write annotations in each format with given file and class names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from stages.convert.config import Format
from tests.support.guarding import write_tree


def voc(folder: Path, named: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    for number, (name, kind) in enumerate(zip(named, classes, strict=True)):
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
        item = f"<object><name>{_xml(kind)}</name>{box}</object>"
        content = f"<annotation><folder>{_xml(name)}</folder><filename>{_xml(name)}</filename>{item}</annotation>"
        (folder / f"{number}.xml").write_text(content, errors="surrogateescape")
    return {}


def _xml(content: str) -> str:
    return escape("".join(character for character in content if character.isprintable() or character == "\n"))


def coco(folder: Path, named: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    content = {
        "images": [{"id": key, "file_name": name, "width": 8, "height": 6} for key, name in enumerate(named)],
        "annotations": [{"image_id": key, "category_id": key, "bbox": [1, 1, 4, 4]} for key in range(len(named))],
        "categories": [{"id": key, "name": name} for key, name in enumerate(classes)],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return {"format": Format.coco}


def createml(folder: Path, named: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    box = {"x": 3, "y": 3, "width": 4, "height": 4}
    rows = [
        {"image": name, "annotations": [{"label": kind, "coordinates": box}]}
        for name, kind in zip(named, classes, strict=True)
    ]
    (folder / "createml.json").write_text(json.dumps(rows))
    return {"format": Format.createml}


def labelimg(folder: Path, named: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    lines = (name.encode("utf-8", "replace").decode().replace("\n", " ").strip() or "class" for name in classes)
    (folder / "classes.txt").write_text("\n".join(dict.fromkeys(lines)))
    for number, name in enumerate(named):
        write_tree(folder, [f"{Path(name.replace(chr(0), '')).stem}.txt"], f"{number} 0.5 0.5 0.5 0.5\n".encode())
    return {}


def labelstudio(folder: Path, named: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
    (folder / "notes.json").write_text(json.dumps({"categories": categories}))
    (folder / "labels").mkdir(exist_ok=True)
    for number, name in enumerate(named):
        stem = f"{number:08x}-{Path(name.replace(chr(0), '')).stem}"
        write_tree(folder / "labels", [f"{stem}.txt"], f"{number} 0.5 0.5 0.5 0.5\n".encode())
    return {"format": Format.labelstudio}
