from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import HooklineError
from tests.support.convert_tools import by_name, labels_of, pictures, run


def voc(filename: str, *objects: str, size: str = "<size><width>64</width><height>48</height></size>") -> str:
    return (
        f"<annotation verified='yes'><folder>a</folder><filename>{filename}</filename>"
        f"<path>C:\\Users\\me\\{filename}</path>{size}<segmented>0</segmented>{''.join(objects)}</annotation>"
    )


def box(name: str, *corners: float, flags: str = "") -> str:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{flags}<bndbox>{edges}</bndbox></object>"


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, text in texts.items():
        (folder / f"{stem}.xml").write_text(text, encoding="utf-8")
    return folder


def test_annotations_next_to_images_with_unusual_files(tmp_path: Path) -> None:
    """Names with folders of another machine, spaces, no or another suffix; size missing or zero; floats."""
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b b.PNG", "c.jpg", "d.jpg", "é.jpg")
    zero = "<size><width>0</width><height>0</height></size>"
    write(
        source,
        a=voc("D:\\data\\photos\\a.jpg", box("dog", 16, 12, 48, 36)),
        **{"b b": voc("b b.PNG", box("person", 0.0, 0.0, 32.5, 48.0), size="")},
        c=voc("c", box("dog", 48, 36, 16, 12), size=zero),
        d=voc("renamed-later.jpg", box(" dog ", 0, 0, 64, 48)),
        é=voc("é.jpg"),
    )
    dataset, memory = run(tmp_path, source=str(source))
    assert dataset.names == ("dog", "person")
    assert by_name(dataset) == {
        "a.jpg": [("dog", [32, 24, 32, 24])],
        "b b.PNG": [("person", [16.25, 24, 32.5, 48])],
        "c.jpg": [("dog", [32, 24, 32, 24])],
        "d.jpg": [("dog", [32, 24, 64, 48])],
        "é.jpg": [],
    }
    assert memory.warnings == []
    assert memory.notes[0] == "read 5 images, 4 boxes of 2 classes (voc)"


def test_devkit_layout_with_its_splits(tmp_path: Path) -> None:
    root = tmp_path / "VOC2007"
    pictures(root / "JPEGImages", "000001.jpg", "000002.jpg", "000003.jpg")
    write(
        root / "Annotations",
        **{f"00000{n}": voc(f"00000{n}.jpg", box("cat", 0, 0, 32, 24)) for n in (1, 2, 3)},
    )
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("000002\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("000001\n")
    (root / "ImageSets" / "Main" / "cat_train.txt").write_text("000003  1\n")
    for source in (root, root / "Annotations"):
        dataset, memory = run(tmp_path, source=str(source))
        assert list(labels_of(dataset)) == ["train/000002.jpg", "val/000001.jpg"]
        assert "skipped 1 image in no split of the source" in memory.warnings[0]


def test_same_names_in_two_folders(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for number, folder in enumerate(("left", "right")):
        pictures(source / folder, "1.jpg")
        write(source / folder, **{"1": voc("1.jpg", box("dog", 0, 0, 32 - 16 * number, 24))})
    dataset, _ = run(tmp_path, source=str(source))
    assert by_name(dataset) == {
        "left-1.jpg": [("dog", [16, 12, 32, 24])],
        "right-1.jpg": [("dog", [8, 12, 16, 24])],
    }


def test_flagged_boxes_are_kept_and_reported(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b.jpg")
    flags = "<truncated>1</truncated><difficult>1</difficult><pose>Left</pose>"
    part = "<object><name>head</name></object>"
    write(source, a=voc("a.jpg", box("dog", 0, 0, 32, 24, flags=flags), part), b=voc("b.jpg"))
    dataset, memory = run(tmp_path, source=str(source))
    assert by_name(dataset)["a.jpg"] == [("dog", [16, 12, 32, 24])]
    assert "boxes marked difficult (kept): 1" in memory.notes
    assert "boxes marked truncated (kept): 1" in memory.notes
    assert memory.warnings == ["objects without a box, dropped: 1"]


def test_a_resized_image_keeps_its_boxes_in_place(tmp_path: Path) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg", "b.jpg")
    size = "<size><width>640</width><height>480</height></size>"
    write(source, a=voc("a.jpg", box("dog", 160, 120, 480, 360), size=size), b=voc("b.jpg"))
    dataset, memory = run(tmp_path, source=str(source))
    assert by_name(dataset)["a.jpg"] == [("dog", [32, 24, 32, 24])]
    assert memory.warnings == ["images that differ in size from their annotation, boxes scaled: 1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg")
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
        "<annotation><filename>&c;</filename></annotation>"
    )
    (source / "a.xml").write_text(bomb, encoding=encoding)
    with pytest.raises(HooklineError, match=r"'.*a.xml' has a DOCTYPE; remove that line"):
        run(tmp_path, source=str(source))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<annotation><object>", "is not valid XML"),
        ("", "is not valid XML"),
        (voc("a.jpg", "<object><bndbox/></object>"), "an object in '.*a.xml' has no name"),
        (voc("a.jpg", "<object><name>a</name><bndbox/></object>"), "needs finite numbers for xmin, ymin, xmax, ymax"),
        (voc("a.jpg", size="<size><width>wide</width></size>"), "the size in '.*a.xml' is not numeric"),
        (voc("a.jpg"), "the annotations contain no class"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, line: str) -> None:
    source = tmp_path / "set"
    pictures(source, "a.jpg")
    write(source, a=text)
    with pytest.raises(HooklineError, match=line):
        run(tmp_path, source=str(source))
