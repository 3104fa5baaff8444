"""Annotations with absurd values: the stage writes a valid data set or reports the error in one line."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from core.data.data_yaml import read_data_yaml
from core.data.dataset import list_samples
from core.errors import LONGEST_LINE, HooklineError
from core.labels import load_labels
from stages.convert.config import Missing
from tests.support.convert_tools import pictures, run

pytestmark = pytest.mark.timeout(120)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 1.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, -(10**30), "", "a", "a.jpg",
    "0", "1e5", "nan", "../a.jpg", "/dev/zero", "a\0b", "\ud800", "x" * 600, "é" * 300, "\n", [], {}, [[]], [None],
    {"a": 1}, [1, 2, 3, 4], [1, 2, 3], ["1", "2", "3", "4"], [[1], 2, 3, 4], [1e308, 1e308, 1e308, 1e308], [0] * 5,
)  # fmt: skip
NUMBERS = (
    "",
    "x",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "0",
    "9" * 5000,
    "0x10",
    "1_0",
    "\u0663",
    "1e308",
    "-1e308",
    " 3 ",
    "3,5",
)


def box(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 20], "iscrowd": 0} | changes


def coco() -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [box(), box(id=2, category_id=2)],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
    }


def createml() -> list[Any]:
    place = {"x": 16.0, "y": 12.0, "width": 32, "height": 24}
    return [{"image": "a.jpg", "annotations": [{"label": "dog", "coordinates": place}]}]


def labelstudio() -> dict[str, Any]:
    return {"categories": [{"id": 0, "name": "dog"}, {"id": 1, "name": "cat"}], "info": {}}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        found += [(value, key), *places(item)]
    return found


def answered(folder: Path, source: Path) -> bool:
    """Return whether it was converted, to a readable data set."""
    try:
        dataset, _ = run(folder, source=str(source), missing=Missing.skip)
    except HooklineError as error:
        line = str(error)
    else:
        spec = read_data_yaml(dataset.path.parent / "data.yaml")
        for split in spec.splits:
            for sample in list_samples(spec, split):
                load_labels(sample, spec.names)
        return True
    assert len(line) <= LONGEST_LINE
    assert "\n" not in line
    return False


@pytest.mark.parametrize("make", [coco, createml, labelstudio])
def test_any_value_in_any_place_of_json(tmp_path: Path, make: Any) -> None:
    chance, source, good = random.Random(0), tmp_path / "set", 0
    pictures(source / "images", "a.jpg", "b.jpg")
    (source / "labels").mkdir()
    (source / "classes.txt").write_text("dog\ncat\n", encoding="utf-8")
    (source / "labels" / "a.txt").write_text("0 .5 .5 .5 .5\n", encoding="utf-8")
    name = "notes.json" if make is labelstudio else "train.json"
    if make is not labelstudio:
        (source / "classes.txt").unlink()
        (source / "labels" / "a.txt").unlink()
    for number, _ in enumerate(places(make())):
        for value in (*chance.sample(VALUES, 9), "removed"):
            content = make()
            container, key = places(content)[number]
            if value == "removed":
                del container[key]
            else:
                container[key] = value
            (source / name).write_text(json.dumps(content), encoding="utf-8")
            good += answered(tmp_path / "work", source)
    assert good


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"images": [], "annotations": [], "categories": [' + "9" * 10_000 + "]}",
        '[{"image": "a.jpg", "annotations": 5}]',
        '{"images": 1, "annotations": {}, "categories": "x"}',
        "\x00",
        "[",
        "null",
        '"x"',
        "[1]",
    ],
)
@pytest.mark.parametrize("form", ["coco", "createml"])
def test_json_that_is_something_else(tmp_path: Path, text: str, form: str) -> None:
    pictures(tmp_path / "set", "a.jpg")
    (tmp_path / "set" / "all.json").write_text(text, encoding="utf-8")
    with pytest.raises(HooklineError):
        run(tmp_path, source=str(tmp_path / "set" / "all.json"), format=form)


def voc(**changes: str) -> str:
    edges = {"xmin": "1", "ymin": "2", "xmax": "30", "ymax": "20"}
    size = {"width": "64", "height": "48"}
    parts = {"filename": "a.jpg", "name": "dog", "difficult": "0"} | edges | size | changes
    frame = "".join(f"<{edge}>{parts[edge]}</{edge}>" for edge in edges)
    sides = "".join(f"<{side}>{parts[side]}</{side}>" for side in size)
    body = f"<name>{parts['name']}</name><difficult>{parts['difficult']}</difficult><bndbox>{frame}</bndbox>"
    return (
        f"<annotation><filename>{parts['filename']}</filename><size>{sides}</size><object>{body}</object></annotation>"
    )


@pytest.mark.parametrize("key", ["filename", "name", "difficult", "xmin", "ymax", "width", "height"])
def test_any_value_in_any_place_of_xml(tmp_path: Path, key: str) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b.jpg", "c.jpg")
    for name in ("b", "c"):
        (source / f"{name}.xml").write_text(voc(filename=f"{name}.jpg"), encoding="utf-8")
    for value in (*NUMBERS, "<b/>", "<![CDATA[x]]>", "&#x41;", "&amp;", "x" * 600, "../a.jpg", "é" * 300):
        (source / "a.xml").write_text(voc(**{key: value}), encoding="utf-8")
        answered(tmp_path / "work", source)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///dev/zero"><annotation/>',
        "<annotation>&nope;</annotation>",
        "<a>" * 1_000_000,
        "<annotation>" + "<a>" * 500_000 + "</a>" * 500_000,
        "<annotation",
        "\0",
        "",
        '<?xml version="1.0" encoding="nope"?><annotation/>',
    ],
    ids=["entity", "external", "unknown entity", "deep", "deep and closed", "cut", "nul", "empty", "encoding"],
)
def test_xml_that_is_something_else(tmp_path: Path, text: str) -> None:
    pictures(tmp_path / "set", "a.jpg")
    (tmp_path / "set" / "a.xml").write_text(text, encoding="utf-8")
    with pytest.raises(HooklineError, match=r"is not valid XML|has a DOCTYPE"):
        run(tmp_path, source=str(tmp_path / "set"))


@pytest.mark.parametrize("name", ["a.json", "a.xml", "data.yaml", "classes.txt"])
def test_what_is_not_a_regular_file(tmp_path: Path, name: str) -> None:
    pictures(tmp_path / "set", "a.jpg")
    os.mkfifo(tmp_path / "set" / name)
    os.mkfifo(tmp_path / "set" / "a.txt")
    os.mkfifo(tmp_path / "set" / "b.jpg")
    for source in (
        tmp_path / "set",
        tmp_path / "set" / name,
        Path("/dev/zero"),
        tmp_path / "x\0",
        tmp_path / ("x" * 300),
    ):
        with pytest.raises(HooklineError):
            run(tmp_path, source=str(source))


def test_a_class_number_that_is_a_billion(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source / "images", "a.jpg")
    (source / "classes.txt").write_text("dog\n", encoding="utf-8")
    (source / "notes.json").write_text('{"categories": [{"id": 1000000000, "name": "dog"}]}', encoding="utf-8")
    with pytest.raises(
        HooklineError, match=r"'categories\[0\].id' of .* is 1e\+09, expected a class number from 0 to 19999"
    ):
        run(tmp_path, source=str(source))


def test_three_hundred_thousand_classes(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg")
    (source / "classes.txt").write_text("".join(f"c{number}\n" for number in range(300_000)), encoding="utf-8")
    (source / "a.txt").write_text("299999 .5 .5 .5 .5\n", encoding="utf-8")
    with pytest.raises(HooklineError, match=r"the new data set would have 300,000 classes; the maximum is 20,000"):
        run(tmp_path, source=str(source))
