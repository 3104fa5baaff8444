from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.data.data_yaml import read_data_yaml
from core.data.dataset import list_samples, load_split
from core.errors import HooklineError
from core.labels import load_labels
from core.media.choices import MAX_PIXELS
from core.media.picture import picture_size, read_picture
from stages.convert import check
from stages.convert.config import ConvertConfig, Format, Link
from stages.convert.images import new_names
from stages.convert.records import rotated
from stages.convert.split import sizes, stratify
from tests.support.convert_tools import by_name, contents, labels_of, pictures, run
from tests.support.dataset_tools import write_dataset
from tests.support.media_tools import oriented_jpeg, oriented_tiff

ROW = (0.5, 0.5, 0.5, 0.5)


def source_of(folder: Path, count: int = 10) -> str:
    rows = {f"{index:02d}": [(index % 2, *ROW)] for index in range(count)}
    return str(write_dataset(folder / "set", {"train": rows}))


def test_names_choose_order_rename_and_merge(tmp_path: Path) -> None:
    rows = {"a": [(0, *ROW), (1, *ROW)], "b": [(2, *ROW)], "c": [(1, *ROW)]}
    source = str(write_dataset(tmp_path / "set", {"train": rows}, ["car", "man", "woman"]))
    dataset, memory = run(tmp_path, source=source, names=["woman", "car"])
    assert dataset.names == ("woman", "car")
    assert [[name for name, _ in found] for found in by_name(dataset).values()] == [["car"], ["woman"], []]
    assert memory.warnings == [
        "dropped 2 boxes of classes not in convert.names: 2 man",
        "images without remaining boxes, now background: 1",
    ]
    merged, _ = run(tmp_path, source=source, names={"man": "person", "woman": "person"})
    assert merged.names == ("person",)
    assert [len(found) for found in by_name(merged).values()] == [1, 1, 1]
    with pytest.raises(HooklineError, match=r"unknown class in convert.names 'womn'; did you mean woman"):
        run(tmp_path, source=source, names=["womn"])


@pytest.mark.parametrize("link", list(Link))
def test_images_are_copied_or_linked(tmp_path: Path, link: Link) -> None:
    source = source_of(tmp_path)
    before = contents(tmp_path / "set")
    dataset, _ = run(tmp_path, source=source, link=link)
    made = dataset.path.parent / "images" / "train" / "00.png"
    original = tmp_path / "set" / "images" / "train" / "00.png"
    assert made.read_bytes() == original.read_bytes()
    assert made.is_symlink() == (link is Link.symlink)
    assert (made.stat().st_ino == original.stat().st_ino) == (link is not Link.copy)
    assert len(labels_of(dataset)) == 10
    assert contents(tmp_path / "set") == before
    assert not any(str(tmp_path) in text.read_text() for text in dataset.path.parent.glob("d*"))


def test_hard_links_across_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(
        HooklineError, match=r"cannot hard-link '.*00.png' \(.*\); use convert.link=copy, which works across disks"
    ):
        run(tmp_path, source=source_of(tmp_path), link=Link.hardlink)


def test_unreadable_images(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b.jpg")
    (source / "bad.jpg").write_bytes(b"no picture")
    place = "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>32</xmax><ymax>24</ymax></bndbox>"
    for stem in ("a", "b", "bad"):
        (source / f"{stem}.xml").write_text(f"<annotation><object><name>dog</name>{place}</object></annotation>")
    with pytest.raises(HooklineError, match=r"1 annotated image missing or unreadable: '.*bad.jpg \("):
        run(tmp_path, source=str(source))
    dataset, _ = run(tmp_path, source=str(source), missing="skip")
    assert sorted(by_name(dataset)) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("tag", range(1, 9))
def test_boxes_turn_as_images_do(tmp_path: Path, tag: int) -> None:
    """A white rectangle is drawn, the file is tagged, and the box is where the reader shows it."""
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[8:16, 40:72] = 255
    encoded = cv2.imencode(".jpg", stored)[1].tobytes()
    file = tmp_path / "a.jpg"
    file.write_bytes(oriented_jpeg(encoded, tag))
    shown = read_picture(file)
    rows, columns = np.nonzero(shown[..., 0] > 128)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    height, width = shown.shape[:2]
    corners = rotated((0.5, 0.2, 0.9, 0.4), tag)
    assert np.allclose(np.array(corners) * [width, height, width, height], expected, atol=1.01)


def test_annotations_made_on_the_stored_image_are_turned(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b.jpg")
    (source / "a.jpg").write_bytes(oriented_jpeg((source / "a.jpg").read_bytes(), 6))
    place = "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>32</xmax><ymax>12</ymax></bndbox>"
    size = "<size><width>64</width><height>48</height></size>"
    (source / "c.tif").write_bytes(oriented_tiff(read_picture(source / "b.jpg"), 6))
    for stem in ("a", "b", "c"):
        text = f"<annotation>{size}<object><name>dog</name>{place}</object></annotation>"
        (source / f"{stem}.xml").write_text(text)
    dataset, memory = run(tmp_path, source=str(source))
    rotated_box = [0.875 * 64, 0.25 * 48, 0.25 * 64, 0.5 * 48]
    expected = {"a.jpg": rotated_box, "b.jpg": [16, 6, 32, 12], "c.tif": rotated_box}
    assert by_name(dataset) == {name: [("dog", box)] for name, box in expected.items()}
    assert memory.warnings == ["images rotated by EXIF, boxes rotated too: 2"]


def test_every_class_has_its_share_in_every_split() -> None:
    classes = [{index % 4, 4} if index % 3 else {index % 4} for index in range(200)] + [{5}] * 10 + [set()] * 20
    chosen = stratify(classes, {"train": 0.7, "val": 0.2, "test": 0.1}, 0)
    assert Counter(chosen) == {"train": 161, "val": 46, "test": 23}
    for number in (*range(6), None):
        holders = [
            split
            for split, found in zip(chosen, classes, strict=True)
            if (number in found if found else number is None)
        ]
        counts = Counter(holders)
        for split, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
            assert abs(counts[split] - share * len(holders)) <= 2, (number, counts)


def test_rare_classes_do_not_starve_the_small_split() -> None:
    chosen = stratify([{index // 2} for index in range(40)], {"train": 0.8, "val": 0.2}, 0)
    assert Counter(chosen) == {"train": 32, "val": 8}
    in_val = [index // 2 for index, split in enumerate(chosen) if split == "val"]
    assert len(set(in_val)) == 8


def test_the_seed_decides() -> None:
    classes = [{index % 3} for index in range(60)]
    one, again, other = (stratify(classes, {"train": 0.5, "val": 0.5}, seed) for seed in (0, 0, 1))
    assert one == again != other


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        ({"train": 0.8, "val": 0.2}, 10, [8, 2]),
        ({"train": 0.8, "val": 0.2}, 2, [1, 1]),
        ({"train": 0.98, "val": 0.01, "test": 0.01}, 5, [3, 1, 1]),
        ({"train": 0.8, "val": 0.2}, 1, [1, 0]),
    ],
)
def test_sizes(shares: dict[str, float], total: int, expected: list[int]) -> None:
    assert list(sizes(shares, total).values()) == expected


def test_too_few_images(tmp_path: Path) -> None:
    split = {"train": 0.8, "val": 0.2}
    with pytest.raises(HooklineError, match="too few images \\(1\\): the split 'val' would be empty; give more"):
        run(tmp_path, source=source_of(tmp_path, 1), split=split)


def test_new_names_are_unique_without_suffix_and_case() -> None:
    given = [
        Path("/s") / name for name in ("a/1.jpg", "b/1.png", "b/1.jpg", "c/X.jpg", "x.jpg", "b-1.jpg", "deep/y.jpg")
    ]
    names = new_names(given)
    assert names == ["a-1.jpg", "b-1-2.png", "b-1-3.jpg", "c-X.jpg", "x.jpg", "b-1.jpg", "y.jpg"]
    assert len({Path(name).stem.casefold() for name in names}) == len(names)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "convert has no source; give convert.source=<folder or file of annotations>"),
        ({"source": "nowhere"}, "no such source '"),
        ({"source": {"trian": "set"}}, "convert.source names the split 'trian'; possible: train, val, test"),
        ({"source": "empty"}, "found no annotations in '"),
        ({"source": "both"}, "contains annotations of several formats: voc, yolo; set convert.format"),
        ({"source": "set", "pictures": "nowhere"}, "convert.pictures='nowhere' is not a folder"),
        ({"source": "set", "split": {"train": 0.8}}, "convert.split={'train': 0.8} adds up to 0.8, not 1"),
        ({"source": "set", "split": {"train": 0.8, "dev": 0.2}}, "names dev, possible: train, val, test"),
        ({"source": "set", "split": {"train": 1.5, "val": -0.5}}, "has shares outside 0 to 1"),
        ({"source": "set", "split": 0.8}, "convert.split=0.8 is not a mapping"),
        (
            {"source": "set", "names": "dog"},
            "convert.names='dog' does not choose classes; give [person,car] or {man: person}",
        ),
        ({"source": "set", "names": []}, "convert.names=[] does not choose classes"),
        ({"source": "set", "names": ["dog", ["cat"]]}, "convert.names=['dog', ['cat']] does not choose classes"),
        ({"source": "set", "names": {"dog": None}}, "convert.names={'dog': None} does not choose classes"),
        ({"source": "set", "names": [True]}, "convert.names=[True] does not choose classes"),
    ],
)
def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], line: str) -> None:
    monkeypatch.chdir(tmp_path)
    source_of(tmp_path)
    (tmp_path / "empty").mkdir()
    pictures(tmp_path / "both", "a.jpg")
    (tmp_path / "both" / "classes.txt").write_text("a")
    (tmp_path / "both" / "a.xml").write_text("<annotation/>")
    (problem,) = map(str, check(ConvertConfig(max_pixels=MAX_PIXELS, **options)))
    assert line in problem


@pytest.mark.parametrize("kind", [Format.voc, Format.createml, Format.coco])
def test_no_annotations_of_the_format(tmp_path: Path, kind: Format) -> None:
    with pytest.raises(HooklineError, match=f"found no {kind.value} annotations in '.*set'"):
        run(tmp_path, source=str(Path(source_of(tmp_path)).parent), format=kind)


def test_one_of_several_sources_is_empty(tmp_path: Path) -> None:
    """Its split would be missing in the end."""
    pictures(tmp_path / "set", "a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "set" / "a.xml").write_text("<annotation/>")
    with pytest.raises(HooklineError, match=r"found no voc annotations in '.*empty'"):
        run(tmp_path, source={"train": str(tmp_path / "set"), "val": str(tmp_path / "empty")})


@pytest.mark.parametrize("name", ["set", "set/a.xml", "set/b.json"])
def test_unreadable_sources_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Patched, because root can read all files."""
    pictures(tmp_path / "set", "a.jpg")
    (tmp_path / "set" / "a.xml").write_text("<annotation/>")
    if name.endswith("json"):
        (tmp_path / name).write_text("[]")
    refused = tmp_path / name

    opened = os.open

    def refuse(path: Path, *arguments: int) -> int:
        if Path(path) == refused:
            raise PermissionError(13, os.strerror(13), str(path))
        return opened(path, *arguments)

    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != refused or path.is_file())
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(HooklineError, match=rf"'{refused}' (is not readable|\(Permission denied\))"):
        run(tmp_path, source=str(tmp_path / "set"))


def test_check_accepts_valid_options(tmp_path: Path) -> None:
    config = ConvertConfig(
        source=source_of(tmp_path),
        split={"train": 0.7, "val": 0.2, "test": 0.1},
        names={"dog": "cat"},
        max_pixels=MAX_PIXELS,
    )
    assert list(check(config)) == []


def test_real_labels_come_through_coco_json(tmp_path: Path, shared_data: Path) -> None:
    """The labels of 128 photos, written as COCO boxes in pixels, become the same labels again."""
    spec = read_data_yaml(shared_data / "coco_subset" / "data.yaml")
    originals = {sample.image.name: sample for sample in list_samples(spec, "val")}
    images, annotations = [], []
    for number, sample in enumerate(originals.values()):
        height, width = picture_size(sample.image)
        images.append({"id": number, "file_name": sample.image.name, "height": height, "width": width})
        labels = load_labels(sample, spec.names)
        for category, (x, y, w, h) in zip(labels.classes.tolist(), labels.boxes.tolist(), strict=True):
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append({"image_id": number, "category_id": category + 1, "bbox": box, "iscrowd": 0})
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(spec.names)]
    file = tmp_path / "instances_val.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    dataset, _ = run(tmp_path, source=str(file), pictures=str(next(iter(spec.splits["val"]))), link=Link.symlink)
    assert dataset.names == spec.names
    assert dataset.splits == {"val": 128}
    for sample in load_split(dataset, "val"):
        ours, theirs = (load_labels(item, spec.names) for item in (sample, originals[sample.image.name]))
        np.testing.assert_array_equal(ours.classes, theirs.classes)
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1.1e-6)
