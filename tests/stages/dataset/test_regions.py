"""Ignore regions are counted and drawn apart from objects."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media.choices import MAX_PIXELS
from stages.dataset import dataset
from stages.dataset.auditing import run_audit
from stages.dataset.charts import shape_figure
from stages.dataset.config import DatasetConfig
from stages.dataset.listing import list_splits
from stages.dataset.page import sample_sheet
from tests.support.dataset_tools import write_dataset
from tests.support.stage_tools import make_context

PERSON, IGNORED, CROWD = (1, 0.5, 0.5, 0.2, 0.2), (0, 0.3, 0.3, 0.4, 0.4), (2, 0.7, 0.7, 0.3, 0.3)
NAMES = ("ignore-regions", "person", "crowd", "car")


def write(folder: Path) -> Path:
    rows = {"train": {"a": [PERSON, IGNORED, CROWD], "b": [IGNORED]}, "val": {"c": [PERSON, (3, *PERSON[1:])]}}
    file = write_dataset(folder, rows, NAMES, (320, 240))
    file.write_text(file.read_text() + "ignore: {ignore-regions: all, crowd: [person, car]}\n")
    return file


def test_statistics_and_table(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    config = DatasetConfig(str(write(tmp_path / "set")), report=False, max_pixels=MAX_PIXELS, imgsz=640)
    result = dataset(config, context)
    assert result.report[0] == (
        "Split  Images  Empty  Objects  Ignored  Classes  Small  Medium  Large  Errors  Warnings\n"
        "train       2      1        1        3        1      0       1      0       0         1\n"
        "val         1      0        2        0        2      0       2      0       0         0"
    )
    content = json.loads((context.workdir / "report.json").read_text())
    assert {split: item["ignored"] for split, item in content["splits"].items()} == {"train": 3, "val": 0}
    assert content["names"] == ["person", "car"]
    assert content["classes"][0]["objects"] == {"train": 1, "val": 1}


def test_charts_and_page(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    audit = run_audit(*list_splits(str(write(tmp_path / "set"))), context)
    texts = [text.get_text() for text in shape_figure(audit.statistics).texts]
    assert any("train: 1 object in 2 images, 3 ignore regions not drawn" in text for text in texts)
    config = DatasetConfig(str(tmp_path / "set" / "data.yaml"), max_pixels=MAX_PIXELS, imgsz=640)
    dataset(config, context)
    assert "<th>Ignored</th>" in (context.workdir / "report.html").read_text()


def test_sample_images_are_striped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions: list[str] = []
    monkeypatch.setattr(
        "stages.dataset.page.label_page",
        lambda items, *_: (captions.extend(text for _, _, text in items), np.zeros((9, 9, 3), np.uint8))[1],
    )
    context, _ = make_context(tmp_path)
    audit = run_audit(*list_splits(str(write(tmp_path / "set"))), context)
    for split in ("train", "val"):
        sample_sheet(audit.kept[split], audit.spec.names, 0, tmp_path / "x.jpg")
    assert captions == ["a.png (striped: ignored)", "b.png (striped: ignored)", "c.png"]
    monkeypatch.undo()
    sheets = []
    for sample in (audit.kept["train"], tuple(type(item)(item.image, None) for item in audit.kept["train"])):
        sample_sheet(sample, audit.spec.names, 0, tmp_path / "x.jpg")
        sheets.append(cv2.imread(str(tmp_path / "x.jpg")).astype(int))
    assert (abs(sheets[0] - sheets[1]).max(axis=2) > 60).mean() > 0.01
