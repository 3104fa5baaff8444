"""Order of classes, classes without objects, and ignore regions through the conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.data_yaml import read_data_yaml
from core.data.dataset import content_digest, list_samples, load_split
from core.errors import HooklineError
from core.label_classes import ALL_CLASSES, LabelClasses
from core.labels import load_labels
from stages.convert.config import Format
from tests.support.convert_tools import by_name, labels_of, pictures, run
from tests.support.dataset_tools import write_dataset

ROW = (0.5, 0.5, 0.5, 0.5)
OTHER = (0.25, 0.25, 0.5, 0.5)


def coco(folder: Path, *rows: tuple[int, str, int], names: tuple[str, ...] = ("person", "car", "dog")) -> str:
    """Write images a.jpg, b.jpg, ... and instances; a row is image, class and iscrowd."""
    images = sorted({image for image, _, _ in rows})
    pictures(folder, *(f"{chr(97 + image)}.jpg" for image in images))
    content: dict[str, Any] = {
        "images": [{"id": image, "file_name": f"{chr(97 + image)}.jpg", "width": 64, "height": 48} for image in images],
        "categories": [{"id": 10 * number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": 10 * names.index(name),
                "bbox": [number, 0, 32, 24],
                "iscrowd": crowd,
            }
            for number, (image, name, crowd) in enumerate(rows)
        ],
    }
    (folder / "all.json").write_text(json.dumps(content))
    return str(folder / "all.json")


def voc(folder: Path, **objects: list[str]) -> str:
    place = "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>32</xmax><ymax>24</ymax></bndbox>"
    pictures(folder, *(f"{stem}.jpg" for stem in objects))
    for stem, names in objects.items():
        rows = "".join(f"<object><name>{name}</name>{place}</object>" for name in names)
        (folder / f"{stem}.xml").write_text(f"<annotation>{rows}</annotation>")
    return str(folder)


def regions_of(dataset: Any) -> dict[str, list[int]]:
    """Return the classes that the ignore regions of each image apply to."""
    spec = read_data_yaml(dataset.path.parent / "data.yaml")
    assert (spec.names, spec.classes) == (dataset.names, dataset.classes)
    samples = [sample for split in dataset.splits for sample in load_split(dataset, split)]
    return {sample.image.name: load_labels(sample, dataset.names).region_classes.tolist() for sample in samples}


def test_crowd_regions_become_ignore_regions_of_their_class(tmp_path: Path) -> None:
    source = coco(tmp_path / "set", (0, "person", 0), (0, "person", 1), (0, "person", 1), (1, "dog", 0), (1, "car", 1))
    dataset, memory = run(tmp_path, source=source)
    assert dataset.names == ("person", "car", "dog")
    assert dataset.classes == LabelClasses(
        ("person", "car", "dog", "crowd-person", "crowd-car"), {"crowd-person": ("person",), "crowd-car": ("car",)}
    )
    assert regions_of(dataset) == {"a.jpg": [0, 0], "b.jpg": [1]}
    assert [[name for name, _ in rows] for rows in by_name(dataset).values()] == [["person"], ["dog"]]
    assert memory.notes[0] == "read 2 images, 2 boxes of 3 classes, 3 ignore regions (coco)"
    assert "crowd regions that became ignore regions: 2 of person, 1 of car" in memory.notes
    assert any(note.endswith("1 object of 1 class (1 person, 0 car, 0 dog), 2 ignore regions") for note in memory.notes)
    assert memory.warnings == ["no objects of 1 of 3 classes: car"]
    text = (dataset.path.parent / "data.yaml").read_text()
    assert "nc: 5" in text
    assert text.endswith("ignore:\n  crowd-person:\n  - person\n  crowd-car:\n  - car\n")


def test_the_written_data_set_has_one_digest_by_both_ways(tmp_path: Path) -> None:
    dataset, _ = run(tmp_path, source=coco(tmp_path / "set", (0, "person", 0), (1, "person", 0), (1, "person", 1)))
    spec = read_data_yaml(dataset.path.parent / "data.yaml")
    assert content_digest(spec.names, {split: list_samples(spec, split) for split in spec.splits}) == dataset.digest


def test_a_source_without_crowd_regions_has_no_rule(tmp_path: Path) -> None:
    dataset, _ = run(tmp_path, source=coco(tmp_path / "set", (0, "person", 0), (1, "person", 0)))
    assert dataset.classes is None
    assert "ignore" not in (dataset.path.parent / "data.yaml").read_text()


@pytest.mark.parametrize(
    ("names", "written", "ignore", "dropped"),
    [
        (["dog", "person"], ("dog", "person", "crowd-person"), {"crowd-person": ("person",)}, "1 crowd-car"),
        ({"person": "man", "dog": "dog"}, ("man", "dog", "crowd-man"), {"crowd-man": ("man",)}, "1 crowd-car"),
        ({"person": "thing", "car": "thing"}, ("thing", "crowd-thing"), {"crowd-thing": ("thing",)}, "1 dog"),
        (["crowd-person", "person"], ("crowd-person", "person"), {"crowd-person": ("person",)}, "1 dog, 1 crowd-car"),
        ({"person": "man", "crowd-person": "group"}, ("man", "group"), {"group": ("man",)}, "1 dog, 1 crowd-car"),
    ],
)
def test_crowd_regions_follow_the_selected_classes(
    tmp_path: Path, names: Any, written: tuple[str, ...], ignore: dict[str, tuple[str, ...]], dropped: str
) -> None:
    rows = (0, "person", 0), (0, "person", 1), (1, "dog", 0), (1, "car", 1)
    dataset, memory = run(tmp_path, source=coco(tmp_path / "set", *rows), names=names)
    assert dataset.classes == LabelClasses(written, ignore)
    assert sum(map(len, regions_of(dataset).values())) == (2 if "thing" in written else 1)
    assert memory.warnings[0].startswith("dropped ")
    assert memory.warnings[0].endswith(f" of classes not in convert.names: {dropped}")


def test_ignore_regions_of_a_data_yaml_are_kept(tmp_path: Path) -> None:
    names = ("ignore-regions", "person", "crowd", "car")
    rows = [(1, *ROW), (0, *OTHER), (2, *ROW), (3, *OTHER)]
    file = write_dataset(tmp_path / "set", {"train": {"a": rows}, "val": {"b": rows}}, names)
    file.write_text(file.read_text() + "ignore: {ignore-regions: all, crowd: [person]}\n")
    rule = read_data_yaml(file).classes
    assert rule is not None
    kept, memory = run(tmp_path, source=str(file))
    assert kept.names == ("person", "car")
    assert kept.classes == LabelClasses(("person", "car", "ignore-regions", "crowd"), rule.ignore)
    assert regions_of(kept) == {"a.png": [ALL_CLASSES, 0], "b.png": [ALL_CLASSES, 0]}
    assert "val: 1 image, 2 objects of 2 classes (1 person, 1 car), 2 ignore regions" in memory.notes
    as_written, _ = run(tmp_path, source=str(file), names=list(names))
    assert as_written.classes == rule
    only_cars, memory = run(tmp_path, source=str(file), names=["car"])
    assert only_cars.classes == LabelClasses(("car", "ignore-regions"), {"ignore-regions": ()})
    assert memory.warnings == ["dropped 4 boxes of classes not in convert.names: 2 person, 2 crowd"]


def test_a_class_cannot_be_of_objects_and_of_regions(tmp_path: Path) -> None:
    source = coco(tmp_path / "set", (0, "person", 1), (0, "crowd-person", 0), names=("person", "crowd-person"))
    with pytest.raises(HooklineError, match="'crowd-person' as a class of objects and of ignore regions; rename one"):
        run(tmp_path, source=source)
    source = coco(tmp_path / "other", (0, "person", 1), (0, "car", 0))
    with pytest.raises(
        HooklineError, match="'car' would be a class of objects and of ignore regions; give one of them"
    ):
        run(tmp_path, source=source, names={"person": "person", "car": "car", "crowd-person": "car"})


def test_two_sources_with_other_rules(tmp_path: Path) -> None:
    sources = []
    for name, rule in (("one", "all"), ("two", "[person]")):
        file = write_dataset(tmp_path / name, {"train": {name: [(0, *ROW)]}}, ("person", "crowd"))
        file.write_text(file.read_text() + f"ignore: {{crowd: {rule}}}\n")
        sources.append(str(file))
    with pytest.raises(HooklineError, match="'crowd' of two sources apply to all classes and to person; correct"):
        run(tmp_path, source=sources)


@pytest.mark.parametrize("labelled", [["person"], ["person", "car"], ["car"]])
def test_class_numbers_do_not_depend_on_what_is_labelled(tmp_path: Path, labelled: list[str]) -> None:
    source = voc(tmp_path / "set", a=labelled, b=labelled)
    dataset, memory = run(tmp_path, source=source, names=["truck", "person", "car"])
    assert dataset.names == ("truck", "person", "car")
    assert [[name for name, _ in rows] for rows in by_name(dataset).values()] == [labelled, labelled]
    absent = [name for name in dataset.names if name not in labelled]
    assert memory.warnings[0].endswith(f" of convert.names not in the source: {', '.join(absent)}")
    renamed, _ = run(tmp_path, source=source, names={"truck": "vehicle", "car": "vehicle", "person": "person"})
    assert renamed.names == ("vehicle", "person")


@pytest.mark.parametrize("name", ["persn", "Person", "persons"])
def test_a_misspelt_class_is_refused(tmp_path: Path, name: str) -> None:
    source = voc(tmp_path / "set", a=["person"], b=["person", "car"])
    with pytest.raises(HooklineError, match=f"unknown class in convert.names '{name}'; did you mean person"):
        run(tmp_path, source=source, names=["car", name])
    dataset, _ = run(tmp_path, source=source, names=["car", name, "person"])  # a class of its own
    assert dataset.names == ("car", name, "person")


@pytest.mark.parametrize("kind", [Format.auto, Format.yolo])
def test_label_files_without_a_list_of_classes(tmp_path: Path, kind: Format) -> None:
    source, photos = tmp_path / "labels", tmp_path / "photos"
    pictures(photos, "a.jpg", "b.jpg", "c.jpg")
    source.mkdir()
    for stem, text in {"a": "1 .5 .5 .5 .5\n", "b": "0 .5 .5 .5 .5 .9\n", "c": ""}.items():
        (source / f"{stem}.txt").write_text(text)
    options: dict[str, Any] = {"source": str(source), "pictures": str(photos), "format": kind}
    dataset, memory = run(tmp_path, **options, names=["dog", "person", "cat"])
    assert dataset.names == ("dog", "person", "cat")
    found = {name.partition("/")[2]: [row[0] for row in rows] for name, rows in labels_of(dataset).items()}
    assert found == {"a.jpg": ["person"], "b.jpg": ["dog"], "c.jpg": []}
    assert "label folders without classes.txt, read with the classes of convert.names: 1" in memory.notes
    with pytest.raises(HooklineError, match="has class 1, but the data set has 1 class"):
        run(tmp_path, **options, names=["dog"])
    for names in (None, {"dog": "cat"}):
        with pytest.raises(
            HooklineError, match=r"has no classes.txt; add .*, or give all classes: convert.names=\[<cl"
        ):
            run(tmp_path, **options, names=names)
    with pytest.raises(HooklineError, match=r"class 'dog' occurs twice in convert.names; give each"):
        run(tmp_path, **options, names=["dog", "dog"])


def test_text_files_of_other_kinds_are_no_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "set", "a.jpg")
    (tmp_path / "set" / "a.txt").write_text("a dog on a bench\n")
    (tmp_path / "set" / "ids.txt").write_text("000012\n")
    with pytest.raises(HooklineError, match="found no annotations in"):
        run(tmp_path, source=str(tmp_path / "set"), names=["dog"])
