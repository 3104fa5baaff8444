from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import HooklineError
from core.label_classes import LabelClasses
from tests.support.convert_tools import by_name, labels_of, pictures, run


def coco(images: dict[int, str], annotations: list[dict[str, Any]], **size: int) -> dict[str, Any]:
    """An instances file with category ids that have gaps and are not in order."""
    return {
        "info": {},
        "images": [
            {"id": key, "file_name": name, **(size or {"width": 64, "height": 48})} for key, name in images.items()
        ],
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations)],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    }


def row(image: int, category: int, *box: float, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(box), "iscrowd": 0, **more}


def write(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_coco_as_it_is_unpacked(tmp_path: Path) -> None:
    """Annotations next to the folders of images, with files of other tasks for the same images."""
    root = tmp_path / "coco"
    pictures(root, "train2017/000000000009.jpg", "val2017/000000000139.jpg", "val2017/000000000285.jpg")
    train = coco({9: "000000000009.jpg"}, [row(9, 90, 16, 12, 32, 24), row(9, 1, 0, 0, 64, 48, iscrowd=1)])
    val = coco({139: "000000000139.jpg", 285: "000000000285.jpg"}, [row(139, 18, 0, 0, 32.5, 24)])
    write(root / "annotations" / "instances_train2017.json", train)
    write(root / "annotations" / "instances_val2017.json", val)
    write(root / "annotations" / "person_keypoints_val2017.json", val)
    expected = {
        "train/000000000009.jpg": [("toothbrush", [32, 24, 32, 24])],
        "val/000000000139.jpg": [("dog", [16.25, 12, 32.5, 24])],
        "val/000000000285.jpg": [],
    }
    for source in (root, root / "annotations"):
        dataset, memory = run(tmp_path, source=str(source))
        assert dataset.names == ("person", "dog", "toothbrush")
        assert labels_of(dataset) == expected
        assert dataset.classes == LabelClasses((*dataset.names, "crowd-person"), {"crowd-person": ("person",)})
        assert "crowd regions that became ignore regions: 1 of person" in memory.notes
        assert memory.warnings == ["no objects of 1 of 3 classes: person"]


def test_coco_files_given_by_split(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", "a.jpg", "b.jpg")
    one = write(tmp_path / "one.json", coco({1: "photos/a.jpg"}, [row(1, 1, 0, 0, 32, 24)]))
    other = write(tmp_path / "other.json", coco({1: "https://host/x/b.jpg"}, [row(1, 1, 0, 0, 32, 24)]))
    dataset, _ = run(tmp_path, source={"val": str(one), "train": str(other)}, pictures=str(tmp_path / "photos"))
    assert list(labels_of(dataset)) == ["train/b.jpg", "val/a.jpg"]


def test_one_file_of_all_folders(tmp_path: Path) -> None:
    """The same name in two folders: file_name selects one, also with both below another folder."""
    pictures(tmp_path / "set" / "deep", "left/1.jpg", "right/1.jpg")
    content = coco({1: "left/1.jpg", 2: "right\\1.jpg"}, [row(1, 1, 0, 0, 32, 24), row(2, 18, 0, 0, 64, 48)])
    write(tmp_path / "set" / "all.json", content)
    dataset, _ = run(tmp_path, source=str(tmp_path / "set" / "all.json"))
    assert by_name(dataset) == {
        "left-1.jpg": [("person", [16, 12, 32, 24])],
        "right-1.jpg": [("dog", [32, 24, 64, 48])],
    }


def test_two_rows_for_one_image(tmp_path: Path) -> None:
    """Of b/1.jpg, which is not there, must not come boxes on a/1.jpg."""
    pictures(tmp_path / "set", "a/1.jpg")
    write(tmp_path / "set" / "all.json", coco({1: "a/1.jpg", 2: "b/1.jpg"}, [row(1, 1, 0, 0, 32, 24)]))
    with pytest.raises(HooklineError, match=r"'.*a/1.jpg' is annotated twice; convert one source at a time"):
        run(tmp_path, source=str(tmp_path / "set"))


def test_coco_without_sizes_and_with_orphans(tmp_path: Path) -> None:
    pictures(tmp_path / "set", "a.jpg", "b.jpg")
    rows = [row(1, 1, 0, 0, 32, 24), row(7, 1, 0, 0, 1, 1), row(2, 1), row(2, 1, 60, 40, 10, 10)]
    write(tmp_path / "set" / "all.json", coco({1: "a.jpg", 2: "b.jpg"}, rows, width=0))
    dataset, memory = run(tmp_path, source=str(tmp_path / "set"), names=["person"])
    assert by_name(dataset) == {"a.jpg": [("person", [16, 12, 32, 24])], "b.jpg": [("person", [62, 44, 4, 8])]}
    assert memory.warnings == [
        "boxes of images that the file does not list, dropped: 1",
        "boxes partly outside their image, clipped: 1",
        "objects without a box, dropped: 1",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"annotations": [row(1, 5, 0, 0, 1, 1)]},
            "'annotations[0].category_id' of '{file}' is 5, which is not in 'categories'",
        ),
        ({"annotations": [{"bbox": [1, 2, 3, 4]}]}, "'annotations[0].image_id' of '{file}' is missing"),
        ({"annotations": [row(1, 1, 0, 0, 1)]}, "'annotations[0].bbox' of '{file}' is [0, 0, 1], expected 4 numbers"),
        (
            {"annotations": [row(1, 1, 0, 0, 1, float("nan"))]},
            "'annotations[0].bbox' of '{file}' is nan, expected a finite number",
        ),
        ({"images": [{"id": 1}]}, "'images[0].file_name' of '{file}' is missing"),
        ({"images": [{"id": 1, "file_name": "a.jpg", "width": float("inf"), "height": 1}]}, "'images[0].width' of"),
        ({"images": {}}, "'images' of '{file}' is {{}}, expected a list"),
        ({"images": [1]}, "'images[0]' of '{file}' is 1, expected an object"),
        ({"categories": [], "annotations": []}, "the annotations contain no class"),
        ({"annotations": []}, "no boxes remain: 1 image without boxes, 0 missing"),
    ],
)
def test_damaged_coco(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    pictures(tmp_path / "set", "a.jpg")
    write(tmp_path / "set" / "all.json", coco({1: "a.jpg"}, []) | change)
    with pytest.raises(HooklineError) as error:
        run(tmp_path, source=str(tmp_path / "set"))
    assert line.format(file=tmp_path / "set" / "all.json") in str(error.value)


def test_truncated_json(tmp_path: Path) -> None:
    pictures(tmp_path / "set", "a.jpg")
    text = json.dumps(coco({1: "a.jpg"}, []))
    (tmp_path / "set" / "all.json").write_text(text[:-5])
    with pytest.raises(HooklineError, match=r"'.*all.json' is not valid JSON .*; export the annotations again"):
        run(tmp_path, source=str(tmp_path / "set"))


def test_createml_has_centres_in_pixels(tmp_path: Path) -> None:
    """As labelImg writes it (with 'verified'), and with the older keys."""
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b b.png", "c.jpg")
    place = {"x": 16.0, "y": 12.0, "width": 32, "height": 24}
    content = [
        {"image": "a.jpg", "verified": False, "annotations": [{"label": "dog", "coordinates": place}]},
        {"imagefilename": "b b.png", "annotation": [{"label": "cat", "coordinates": place | {"x": 32, "y": 24}}]},
        {"image": "c.jpg", "annotations": []},
    ]
    write(source / "annotations.json", content)
    dataset, memory = run(tmp_path, source=str(source))
    assert dataset.names == ("cat", "dog")
    assert by_name(dataset) == {
        "a.jpg": [("dog", [16, 12, 32, 24])],
        "b b.png": [("cat", [32, 24, 32, 24])],
        "c.jpg": [],
    }
    assert memory.notes[0].endswith("(createml)")


def test_createml_by_folders(tmp_path: Path) -> None:
    source, place = tmp_path / "set", {"x": 16, "y": 12, "width": 32, "height": 24}
    for split in ("train", "valid"):
        pictures(source / split, "a.jpg")
        item = {"image": "a.jpg", "annotations": [{"label": "dog", "coordinates": place}]}
        write(source / split / "_annotations.createml.json", [item])
    dataset, _ = run(tmp_path, source=str(source))
    assert list(labels_of(dataset)) == ["train/train-a.jpg", "val/valid-a.jpg"]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ({"annotations": []}, "'[0].imagefilename' of"),
        ({"image": "a.jpg", "annotations": [{"label": "dog"}]}, "'[0].annotations[0].coordinates' of"),
        (
            {"image": "a.jpg", "annotations": [{"label": "dog", "coordinates": {"x": 1}}]},
            "'[0].annotations[0].coordinates.y' of",
        ),
    ],
)
def test_damaged_createml(tmp_path: Path, item: dict[str, Any], line: str) -> None:
    pictures(tmp_path / "set", "a.jpg")
    write(tmp_path / "set" / "all.json", [item])
    with pytest.raises(HooklineError) as error:
        run(tmp_path, source=str(tmp_path / "set"))
    assert line in str(error.value)
