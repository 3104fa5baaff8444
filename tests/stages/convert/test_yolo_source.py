from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import HooklineError
from tests.support.convert_tools import by_name, contents, labels_of, pictures, run
from tests.support.dataset_tools import write_dataset


def labelimg(folder: Path, **texts: str) -> Path:
    """The layout of labelImg: images, label files and classes.txt in one folder."""
    pictures(folder, *(f"{stem}.jpg" for stem in texts))
    for stem, text in texts.items():
        (folder / f"{stem}.txt").write_text(text)
    (folder / "classes.txt").write_text("dog\nperson\n\n")
    return folder


def test_labelimg_folder(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="1 0.5 0.5 0.25 0.5\n", b="0 0.25 0.25 0.5 0.5\n1 .5 .5 1 1\n")
    pictures(source, "background.png")
    before = contents(source)
    dataset, memory = run(tmp_path, source=str(source))
    assert dataset.names == ("dog", "person")
    assert dataset.splits == {"train": 2, "val": 1}
    assert by_name(dataset) == {
        "a.jpg": [("person", [32, 24, 16, 24])],
        "b.jpg": [("dog", [16, 12, 32, 24]), ("person", [32, 24, 64, 48])],
        "background.png": [],
    }
    assert contents(source) == before
    assert memory.notes[0] == "read 3 images, 3 boxes of 2 classes (yolo)"
    assert "3 images, 1 of them without objects" in memory.notes
    assert memory.warnings == []


def test_labels_and_images_in_two_folders(tmp_path: Path) -> None:
    source, photos = tmp_path / "texts", tmp_path / "photos"
    pictures(photos, "train/1.jpg", "val/1.jpg")
    for split, row in (("train", "0 .5 .5 .5 .5"), ("val", "0 .5 .5 .25 .25")):
        (source / split).mkdir(parents=True)
        (source / split / "1.txt").write_text(row)
    (source / "classes.txt").write_text("dog")
    dataset, memory = run(tmp_path, source=str(source), pictures=str(photos))
    assert labels_of(dataset) == {
        "train/train-1.jpg": [("dog", [32, 24, 32, 24])],
        "val/val-1.jpg": [("dog", [32, 24, 16, 12])],
    }
    assert "renamed 2 images with the name of another, e.g. to 'train-1.jpg'" in memory.notes


def test_data_yaml_keeps_its_splits_unless_others_are_asked_for(tmp_path: Path) -> None:
    row = (1, 0.5, 0.5, 0.5, 0.5)
    file = write_dataset(tmp_path / "set", {"train": {"a": [row], "b": []}, "test": {"c": [row]}})
    own, _ = run(tmp_path, source=str(file))
    assert own.splits == {"train": 2, "test": 1}
    assert own.names == ("person", "dog")
    drawn, _ = run(tmp_path, source=str(file.parent), split={"train": 0.5, "val": 0.5})
    assert set(drawn.splits) == {"train", "val"}
    assert by_name(drawn) == by_name(own)


def test_one_folder_for_two_splits(tmp_path: Path) -> None:
    """As in the data.yaml of coco128."""
    row = (1, 0.5, 0.5, 0.5, 0.5)
    file = write_dataset(tmp_path / "set", {"train": {"a": [row], "b": [row]}})
    file.write_text(file.read_text() + "val: images/train\n")
    with pytest.raises(HooklineError, match=r"a.png' is in the splits 'train' and 'val'; make new splits, e.g."):
        run(tmp_path, source=str(file))
    dataset, _ = run(tmp_path, source=str(file), split={"train": 0.5, "val": 0.5})
    assert dataset.splits == {"train": 1, "val": 1}


def test_label_studio_export(tmp_path: Path) -> None:
    """Uploads get a prefix; polygons come as more than four numbers; ids of notes.json count."""
    source = tmp_path / "export"
    pictures(source / "images", "0a1b2c3d-street.jpg", "4e5f6a7b-park.jpg")
    (source / "labels").mkdir()
    (source / "labels" / "0a1b2c3d-street.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (source / "labels" / "4e5f6a7b-park.txt").write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")
    (source / "classes.txt").write_text("car\ntree\n")
    (source / "notes.json").write_text(
        json.dumps({"categories": [{"id": 0, "name": "car"}, {"id": 1, "name": "tree"}], "info": {"year": 2026}})
    )
    dataset, memory = run(tmp_path, source=str(source))
    assert memory.notes[0] == "read 2 images, 2 boxes of 2 classes (labelstudio)"
    assert by_name(dataset) == {
        "0a1b2c3d-street.jpg": [("tree", [32, 24, 16, 24])],
        "4e5f6a7b-park.jpg": [("car", [32, 24, 32, 24])],
    }
    assert memory.warnings == ["polygons replaced by their bounding boxes: 1"]


def test_label_studio_export_without_images_finds_the_originals(tmp_path: Path) -> None:
    source, photos = tmp_path / "export", tmp_path / "photos"
    pictures(photos, "street.jpg", "park 1.jpg")
    (source / "labels").mkdir(parents=True)
    (source / "labels" / "0a1b2c3d-street.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (source / "labels" / "4e5f6a7b-park%201.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (source / "classes.txt").write_text("car")
    (source / "notes.json").write_text('{"categories": [{"id": 0, "name": "car"}]}')
    dataset, _ = run(tmp_path, source=str(source), pictures=str(photos))
    assert by_name(dataset) == {
        "street.jpg": [("car", [32, 24, 16, 24])],
        "park 1.jpg": [("car", [32, 24, 32, 24])],
    }


def test_unusual_cases_are_reported_with_counts(tmp_path: Path) -> None:
    source = labelimg(
        tmp_path / "set",
        a="0 0.05 0.5 0.5 0.5\n0 0.5 0.5 0 0.5\n0 .5 .5 .5 1.0001\n",
        b="0 .5 .5 .5 .5 .9\n0 .5 .5 .5 .5\n",
    )
    (source / "readme.txt").write_text("hello there\n")
    (source / ".cache").mkdir()
    (source / ".cache" / "a.txt").write_text("0 .5 .5 .5 .5\n")
    dataset, memory = run(tmp_path, source=str(source))
    assert by_name(dataset) == {
        "a.jpg": [("dog", [9.6, 24, 19.2, 24]), ("dog", [32, 24, 32, 48])],
        "b.jpg": [("dog", [32, 24, 32, 24])],
    }
    assert memory.warnings == [
        "boxes beyond their image by less than a pixel, clipped: 1",
        "boxes partly outside their image, clipped: 1",
        "boxes without area, dropped: 1",
        "duplicate boxes, dropped: 1",
        "rows with a score, which was ignored: 1",
        "text files that are not labels, skipped: 1",
        "no objects of 1 of 2 classes: person",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("2 .5 .5 .1 .1", "has class 2, but the data set has 2 classes (0 to 1)"),
        ("0 .5 .5 .1", "has 4 values: '0 .5 .5 .1'"),
        ("0 .5 .5 .1 .1 .2 .3 .4", "has 8 values"),
        ("0 320 240 64 48", "has a box outside 0..1: '320 240 64 48'; a row is 'class cx cy w h' with the box as"),
        ("0 1.2 .5 .1 .1", "has a box outside 0..1: '1.2 .5 .1 .1'"),
        ("0 .5 .5 .1 nan", "has a box outside 0..1"),
        ("0 .5 .5 .1 .1\n0 a b c d", "has a value that is not a number: '0 a b c d'"),
        ("dog .5 .5 .1 .1", "has a value that is not a number: 'dog .5 .5 .1 .1'"),
    ],
)
def test_bad_rows(tmp_path: Path, text: str, line: str) -> None:
    source = labelimg(tmp_path / "set", a=text, b="")
    with pytest.raises(HooklineError) as error:
        run(tmp_path, source=str(source))
    assert line in str(error.value)
    assert f"line {1 + text.count(chr(10))} of '{source / 'a.txt'}'" in str(error.value)


def test_class_twice(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="")
    (source / "classes.txt").write_text("dog\ndog\n")
    with pytest.raises(HooklineError, match=r"class 'dog' occurs twice in '.*classes.txt'; give each class"):
        run(tmp_path, source=str(source))


def test_folders_below_with_other_classes(tmp_path: Path) -> None:
    """The numbers in their labels mean other classes; given one by one, each is read by its own list."""
    one = labelimg(tmp_path / "set" / "one", a="0 .5 .5 .5 .5")
    other = labelimg(tmp_path / "set" / "other", b="0 .5 .5 .5 .5")
    (other / "classes.txt").write_text("person\ndog\n")
    with pytest.raises(HooklineError, match=r"'.*one/classes.txt' and '.*other/classes.txt' list different classes"):
        run(tmp_path, source=str(tmp_path / "set"))
    dataset, _ = run(tmp_path, source=[str(one), str(other)])
    found = {name: [label for label, _ in rows] for name, rows in by_name(dataset).items()}
    assert found == {"a.jpg": ["dog"], "b.jpg": ["person"]}


def test_missing_images_stop_or_are_skipped(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="0 .5 .5 .5 .5", b="0 .5 .5 .5 .5")
    for number in range(7):
        (source / f"gone{number}.txt").write_text("0 .5 .5 .5 .5")
    with pytest.raises(HooklineError) as error:
        run(tmp_path, source=str(source))
    assert str(error.value) == (
        "7 annotated images missing or unreadable: 'gone0.txt', 'gone1.txt', 'gone2.txt', 'gone3.txt', "
        "'gone4.txt' and 2 more; give their folder with convert.pictures=<folder>, "
        "or skip them with convert.missing=skip"
    )
    dataset, memory = run(tmp_path, source=str(source), missing="skip")
    assert sum(dataset.splits.values()) == 2
    assert memory.warnings[0].startswith("skipped 7 annotated images")


def test_two_images_fit_one_label(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="0 .5 .5 .5 .5")
    pictures(source, "a.png")
    with pytest.raises(HooklineError, match=r"'a' in '.*a.txt' may be '.*a.jpg' or '.*a.png'; rename one"):
        run(tmp_path, source=str(source))


@pytest.mark.parametrize("by_split", [True, False])
def test_several_folders_of_labels(tmp_path: Path, by_split: bool) -> None:
    """An image without a label in one folder may have one in another; it is background only without any."""
    one = labelimg(tmp_path / "one", a="1 .5 .5 .5 .5")
    other = labelimg(tmp_path / "other", b="0 .5 .5 .5 .5")
    pictures(other, "background.png")
    source = {"train": str(one), "val": str(other)} if by_split else [str(one), str(other)]
    dataset, _ = run(tmp_path, source=source)
    assert by_name(dataset) == {
        "a.jpg": [("person", [32, 24, 32, 24])],
        "b.jpg": [("dog", [32, 24, 32, 24])],
        "background.png": [],
    }
    if by_split:
        assert list(labels_of(dataset)) == ["train/a.jpg", "val/b.jpg", "val/background.png"]


def test_images_not_in_a_data_yaml_are_not_added(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [(1, 0.5, 0.5, 0.5, 0.5)]}})
    pictures(tmp_path / "set", "preview.jpg")
    pictures(tmp_path / "photos", "other.jpg")
    dataset, _ = run(tmp_path, source=str(file), pictures=str(tmp_path / "photos"))
    assert list(labels_of(dataset)) == ["train/a.png"]


def test_an_unreadable_image_is_reported(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="0 .5 .5 .5 .5", b="0 .5 .5 .5 .5")
    (source / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(HooklineError, match=r"1 annotated image missing or unreadable: '.*a.jpg \("):
        run(tmp_path, source=str(source))


def test_accents_may_be_one_code_point_or_two(tmp_path: Path) -> None:
    """As an archive made on macOS has them: the name on the disk is decomposed, that of the label is not."""
    source = labelimg(tmp_path / "set", b="")
    pictures(source, "e\u0301te\u0301.jpg")
    (source / "\u00e9t\u00e9.txt").write_text("0 .5 .5 .5 .5")
    dataset, _ = run(tmp_path, source=str(source))
    assert by_name(dataset)["e\u0301te\u0301.jpg"] == [("dog", [32, 24, 32, 24])]


def test_files_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    source = labelimg(tmp_path / "set", a="1 0.5 0.5 0.25 0.5\n", b="0 .5 .5 .5 .5\n")
    for name in ("x.psd", "other.md"):
        (source / name).touch()
    _, memory = run(tmp_path, source=str(source))
    assert memory.warnings == ["passed over 1 .psd"]


def test_files_in_the_splits_of_a_data_yaml_are_counted_once(tmp_path: Path) -> None:
    row = (1, 0.5, 0.5, 0.5, 0.5)
    file = write_dataset(tmp_path / "set", {"train": {"a": [row]}, "val": {"c": [row]}})
    for name in ("images/train/x.psd", "run.log"):
        (tmp_path / "set" / name).touch()
    _, memory = run(tmp_path, source=str(file))
    assert [warning for warning in memory.warnings if "passed over" in warning] == ["passed over 1 .psd"]
    moved = tmp_path / "yaml" / "data.yaml"
    moved.parent.mkdir()
    moved.write_text(file.read_text().replace("path: .", f"path: {tmp_path}/set"))
    _, memory = run(tmp_path / "second", source=str(moved))
    assert [warning for warning in memory.warnings if "passed over" in warning] == ["passed over 1 .psd"]
