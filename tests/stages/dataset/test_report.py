from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.artifacts import Dataset
from core.media.choices import MAX_PIXELS
from stages.dataset import dataset
from stages.dataset.charts import box_centres, box_shapes, class_balance
from stages.dataset.config import DatasetConfig
from stages.dataset.page import TILES, sample_sheet
from stages.dataset.split_statistics import SplitStatistics
from stages.dataset.statistics import ClassNumbers, class_table
from tests.support.dataset_tools import write_dataset
from tests.support.stage_tools import make_context

SMALL, LARGE = (0, 0.25, 0.25, 0.1, 0.2), (1, 0.5, 0.5, 1, 1)
PICTURES = ["class_balance.png", "box_shapes.png", "box_centres.png", "samples_train.jpg", "samples_val.jpg"]
ODD = ("<b>&", "$x$ 行人", "a name that is far too long for the label of a bar")


def make(folder: Path, **options: bool) -> tuple[Dataset, Path]:
    splits = {"train": {"a": [SMALL, LARGE, SMALL], "b": [], "c": [LARGE]}, "val": {"d": [SMALL]}}
    file = write_dataset(folder / "set", splits, ODD, size=(200, 100))
    (folder / "set" / "labels" / "train" / "b.txt").unlink()
    context, _ = make_context(folder)
    return dataset(DatasetConfig(str(file), max_pixels=MAX_PIXELS, imgsz=640, **options), context), context.workdir


def test_json_has_the_figures(tmp_path: Path) -> None:
    _, folder = make(tmp_path, report=False)
    assert sorted(file.name for file in folder.iterdir()) == ["dataset.json", "report.json"]
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(content) == ["data", "names", "splits", "classes", "counts", "left_out", "findings"]
    assert content["splits"]["train"] == {
        "pictures": 3, "left_out": 0, "no_label": 1, "empty_label": 0, "objects": 3, "classes": 2, "most_objects": 2,
        "width": 200, "height": 100, "small": 1, "medium": 0, "large": 2, "errors": 0, "warnings": 2,
        "ignored": 0,
    }  # fmt: skip
    assert content["classes"][1] == {
        "index": 1, "name": ODD[1], "objects": {"train": 2, "val": 0}, "pictures": {"train": 2, "val": 0},
        "share": 0.5, "width": 200, "height": 100,
    }  # fmt: skip
    assert [row["kind"] for row in content["findings"]] == [
        "repeated-row", "whole-image-box", "no-label", "whole-image-box", "unseen-class",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_page_shows_all_images_and_nothing_from_outside(tmp_path: Path) -> None:
    result, folder = make(tmp_path)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'src="([^"]*)"', page) == PICTURES
    assert "http" not in page
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert str(folder) not in page + result.path.read_text() + (folder / "report.json").read_text()
    for name in PICTURES:
        picture = cv2.imread(str(folder / name))
        assert min(picture.shape[:2]) > 200
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_documented_keys(tmp_path: Path, repo_root: Path) -> None:
    _, folder = make(tmp_path, report=False)
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    documented = set(re.findall(r"`(\w+)`", (repo_root / "docs" / "dataset.md").read_text(encoding="utf-8")))
    rows = [content, content["splits"]["train"], content["classes"][0], content["findings"][0]]
    assert {key for row in rows for key in row} <= documented


@pytest.mark.parametrize("classes", [1, 200])
def test_class_balance_of_few_and_many_classes(tmp_path: Path, classes: int) -> None:
    rows = [ClassNumbers(index, f"class {index}", {"train": index**2}, {}, 0.1, 1, 1) for index in range(classes)]
    class_balance(rows, tmp_path / "x.png")
    height, width = cv2.imread(str(tmp_path / "x.png")).shape[:2]
    assert 200 < height < 1800
    assert 600 < width < 2200


def test_charts_without_objects(tmp_path: Path) -> None:
    for chart in (box_shapes, box_centres):
        chart({"train": SplitStatistics()}, tmp_path / "x.png")
        assert cv2.imread(str(tmp_path / "x.png")) is not None


def test_the_same_seed_gives_the_same_sheet(tmp_path: Path) -> None:
    from core.data.data_yaml import read_data_yaml
    from core.data.dataset import list_samples

    file = write_dataset(tmp_path, {"train": {f"{index:02}": [SMALL] for index in range(18)}})
    samples = list_samples(read_data_yaml(file), "train")
    contents = []
    for seed in (1, 1, 2):
        sample_sheet(samples, ["person", "dog"], seed, tmp_path / "x.jpg")
        contents.append((tmp_path / "x.jpg").read_bytes())
    assert contents[0] == contents[1] != contents[2]
    height, width = cv2.imread(str(tmp_path / "x.jpg")).shape[:2]
    assert width == 4 * (TILES.side + TILES.gap) + TILES.gap
    assert height > 4 * 4 * 48


def test_a_long_table_is_cut(tmp_path: Path) -> None:
    rows = [ClassNumbers(index, f"c{index}", {"val": 25 - index}, {}, (25 - index) / 325, 3, 4) for index in range(25)]
    lines = class_table(rows).splitlines()
    assert len(lines) == 22
    assert lines[1].split() == ["c0", "25", "7.7%", "3", "x", "4"]
    assert lines[-1] == "5 more classes in report.json"
