from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import HooklineError
from core.media.frame import Frame
from core.media.listing import IMAGE_SUFFIXES
from core.media.picture import read_picture
from core.media.source import Source, SourceKind
from stages.predict.annotated import ImageFiles
from stages.predict.records import CocoRecord, CsvRecord, ImageRecord, LabelRecord
from stages.predict.result_names import ResultNames
from tests.support.fake_parts import detections


def pictures(*names: str) -> Source:
    return Source("x", SourceKind.pictures, tuple(Path("/x", name) for name in names), names)


def frame(source: Source, index: int, seconds: float | None = None) -> Frame:
    picture = np.zeros((100, 200, 3), np.uint8)
    return Frame(index, source.names[index], source.files[index], 0, picture, seconds)


TWO = pictures("a.jpg", "sub/a.jpg")
FOUND = detections([20, 10, 60, 90, 0.75, 1], [0, 0, 200, 100, 0.5, 0])


def test_coco_results_and_the_list_of_images(tmp_path: Path) -> None:
    with CocoRecord(tmp_path, ResultNames(TWO)) as boxes, ImageRecord(tmp_path, ResultNames(TWO)) as images:
        for item, found in ((frame(TWO, 0), FOUND), (frame(TWO, 1, seconds=1.5), detections())):
            boxes.add(item, found)
            images.add(item, found)
    assert json.loads((tmp_path / "predictions.json").read_text()) == [
        {"image_id": 1, "category_id": 1, "bbox": [20, 10, 40, 80], "score": 0.75},
        {"image_id": 1, "category_id": 0, "bbox": [0, 0, 200, 100], "score": 0.5},
    ]
    assert json.loads((tmp_path / "images.json").read_text()) == [
        {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100, "boxes": 2},
        {"id": 2, "file_name": "sub/a.jpg", "width": 200, "height": 100, "boxes": 0, "seconds": 1.5},
    ]


def test_nothing_at_all_is_valid_json(tmp_path: Path) -> None:
    with CocoRecord(tmp_path, ResultNames(TWO)):
        pass
    assert json.loads((tmp_path / "predictions.json").read_text()) == []


def test_pycocotools_reads_the_results(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    with CocoRecord(tmp_path, ResultNames(TWO)) as boxes, ImageRecord(tmp_path, ResultNames(TWO)) as images:
        boxes.add(frame(TWO, 0), FOUND)
        images.add(frame(TWO, 0), FOUND)
    truth = COCO()
    truth.dataset = {
        "images": json.loads((tmp_path / "images.json").read_text()),
        "categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}],
        "annotations": [],
    }
    truth.createIndex()
    assert len(truth.loadRes(str(tmp_path / "predictions.json")).anns) == 2


def test_label_files(tmp_path: Path) -> None:
    with LabelRecord(tmp_path, ResultNames(TWO)) as record:
        record.add(frame(TWO, 0), FOUND)
        record.add(frame(TWO, 1), detections())
    first = "1 0.200000 0.500000 0.200000 0.800000 0.750000"
    assert (tmp_path / "a.txt").read_text().splitlines() == [
        first,
        "0 0.500000 0.500000 1.000000 1.000000 0.500000",
    ]
    assert (tmp_path / "sub" / "a.txt").read_text() == ""


def test_csv(tmp_path: Path) -> None:
    with CsvRecord(tmp_path, ("person", "dog, large")) as record:
        record.add(frame(TWO, 0, seconds=0.25), FOUND)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open(newline="")))
    assert len(rows) == 2
    assert rows[0] == {
        "file": "a.jpg", "frame": "0", "seconds": "0.2500", "class_id": "1", "class": "dog, large", "score": "0.75",
        "x1": "20.0", "y1": "10.0", "x2": "60.0", "y2": "90.0", "width": "200", "height": "100",
    }  # fmt: skip


def test_an_exception_leaves_what_was_added(tmp_path: Path) -> None:
    def work() -> None:
        with CocoRecord(tmp_path, ResultNames(TWO)) as boxes, CsvRecord(tmp_path, ("a", "b")) as table:
            boxes.add(frame(TWO, 0), FOUND)
            table.add(frame(TWO, 0), FOUND)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(json.loads((tmp_path / "predictions.json").read_text())) == 2
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 3


def test_no_two_results_share_a_name() -> None:
    source = pictures("a.jpg", "a.png", "b.jpg", "sub/a.jpg")
    names = ResultNames(source)
    labels = [names.label(frame(source, index)) for index in range(4)]
    assert labels == ["a.jpg.txt", "a.png.txt", "b.txt", "sub/a.txt"]


def test_a_name_with_the_suffix_of_another_shares_no_result() -> None:
    source = pictures("a.jpg", "a.png", "a.jpg.png", "a.jpg-2.png")
    labels = [ResultNames(source).label(frame(source, index)) for index in range(4)]
    assert len(set(labels)) == 4


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (SourceKind.pictures, ("images.json/x.jpg", "y.jpg")),
        (SourceKind.pictures, ("a.jpg", "a.txt/b.jpg")),
        (SourceKind.video, ("x.avi", "x.mp4/y.avi")),
    ],
)
def test_a_folder_with_the_name_of_a_result_is_refused(kind: SourceKind, names: tuple[str, ...]) -> None:
    with pytest.raises(HooklineError, match=r"the source has a folder '.*', but a result of predict needs this name"):
        ResultNames(Source("x", kind, tuple(Path("/x", name) for name in names), names))


def test_grey_formats_are_annotated_as_png() -> None:
    source = pictures("a.pgm", "a.pgm.png", "b.PBM", "c.ppm")
    names = ResultNames(source)
    assert [names.image(frame(source, index)) for index in range(4)] == [
        "a.pgm-2.png",
        "a.pgm.png",
        "b.PBM.png",
        "c.ppm",
    ]


def test_every_reader_reads_names_with_line_ends(tmp_path: Path) -> None:
    source = pictures("a\rb.jpg", "c\nd.jpg", 'e"f,.jpg')
    with CsvRecord(tmp_path, ("person", "dog")) as record:
        for index in range(3):
            record.add(frame(source, index), FOUND)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open(newline="")))
    assert [row["file"] for row in rows[::2]] == list(source.names)


def test_videos_of_one_stem() -> None:
    files = (Path("/x/a.avi"), Path("/x/a.mov"), Path("/x/b.avi"))
    names = ResultNames(Source("x", SourceKind.video, files, ("a.avi", "a.mov", "b.avi")))
    frames = [Frame(0, "", path, 12, np.zeros((1, 1, 3), np.uint8)) for path in files]
    assert [names.video(item) for item in frames] == ["a.avi.mp4", "a.mov.mp4", "b.mp4"]
    assert names.label(frames[2]) == "b_000012.txt"


def test_a_stream_has_a_name() -> None:
    names = ResultNames(Source("0", SourceKind.stream, address="0"))
    assert names.video(Frame(3, "", None, 3, np.zeros((1, 1, 3), np.uint8))) == "stream.mp4"


@pytest.mark.parametrize(
    ("files", "ids"),
    [(("000139.jpg", "285.jpg"), [139, 285]), (("139.jpg", "x.jpg"), [1, 2]), (("1.jpg", "01.jpg"), [1, 2])],
)
def test_image_ids_are_numbers_of_files_where_all_have_one(files: tuple[str, ...], ids: list[int]) -> None:
    source = pictures(*files)
    assert [ResultNames(source).image_id(frame(source, index)) for index in range(2)] == ids


def test_every_image_format_can_be_annotated(tmp_path: Path) -> None:
    source = pictures(*(f"image{suffix}" for suffix in IMAGE_SUFFIXES), "UPPER.JFIF")
    files = ImageFiles(tmp_path, names := ResultNames(source))
    for index in range(len(source.names)):
        files.write(frame(source, index), np.zeros((8, 8, 3), np.uint8))
        assert read_picture(tmp_path / names.image(frame(source, index))).shape == (8, 8, 3)
