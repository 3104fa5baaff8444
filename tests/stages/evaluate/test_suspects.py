"""``evaluate.suspects``: the list and the page, also of a stored evaluation and of a data set in another place."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.artifacts import Dataset, Metrics
from core.data.dataset import Sample
from core.media.choices import MAX_PIXELS, Decoding
from core.media.listing import files_of
from core.media.picture import read_picture
from core.media.suffixes import PassedOver
from stages.dataset import dataset
from stages.dataset.config import DatasetConfig
from stages.evaluate import hookline_stages, supplement
from stages.evaluate.contradictions import Record
from stages.evaluate.evaluating import evaluate_model
from stages.evaluate.suspects import find_suspects
from stages.evaluate.suspects_files import write_suspects
from tests.stages.evaluate.test_evaluate_stage import DOG, PERSON, make_config
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.fake_parts import detections, fake_engine, fake_parts
from tests.support.stage_tools import Memory, make_context

LABELS = {"right": [PERSON], "sure": [DOG], "unsure": [DOG], "z <b>": []}
FOUND = [
    detections((10, 20, 50, 60, 0.95, 0)),
    detections((40, 40, 80, 80, 0.9, 0)),  # a dog that is a person
    detections((40, 40, 80, 80, 0.85, 1), (0, 0, 20, 20, 0.6, 0)),
    detections((0, 0, 30, 30, 0.7, 1)),
]


def make_data(folder: Path) -> Dataset:
    file = write_dataset(folder / "set", {"val": LABELS}, size=(100, 100))
    context, _ = make_context(folder / "data")
    return dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)


def run(folder: Path, data: Dataset, **options: Any) -> tuple[Metrics, Memory]:
    parts, _, _ = fake_parts(FOUND)
    context, memory = make_context(folder, **parts)
    return evaluate_model(make_config(**options), fake_engine(folder), data, context), memory


def names(folder: Path) -> list[str]:
    return [row["image"] for row in json.loads((folder / "suspects.json").read_text())["images"]]


def test_worst_first(tmp_path: Path) -> None:
    metrics, memory = run(tmp_path, make_data(tmp_path), suspects=50)
    folder = metrics.path.parent
    assert names(folder) == ["sure.png", "z <b>.png", "unsure.png"]
    content = json.loads((folder / "suspects.json").read_text())
    assert [row["measure"] for row in content["images"]] == pytest.approx([0.9, 0.7, 0.6])
    assert (content["limit"], content["total"]) == (50, 3)
    assert content["images"][0]["contradictions"] == [
        {
            "kind": "other-class",
            "weight": pytest.approx(0.9),
            "reason": "label 'dog': the model detects 'person' with confidence 0.90",
            "label": {"class": "dog", "bbox": [40, 40, 40, 40]},
            "detection": {"class": "person", "bbox": [40, 40, 40, 40]},
            "score": pytest.approx(0.9),
        }
    ]
    (note,) = memory.notes
    assert note == (
        "evaluate: the model contradicts labels of 3 of 4 images; they are in suspects.html and suspects.txt"
    )


def test_the_list_is_a_source(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path, make_data(tmp_path), suspects=2)
    found = files_of(str(metrics.path.parent / "suspects.txt"), PassedOver())
    assert found == [tmp_path / "set" / "images" / "val" / name for name in ("sure.png", "z <b>.png")]


def test_only_the_list_has_paths(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path, make_data(tmp_path), suspects=2)
    for file in metrics.path.parent.glob("suspects.*"):
        assert (str(tmp_path) in file.read_text()) == (file.suffix == ".txt")


def test_page(tmp_path: Path) -> None:
    metrics, _ = run(tmp_path, make_data(tmp_path), suspects=2)
    folder = metrics.path.parent
    page = (folder / "suspects.html").read_text()
    assert page.index("1. sure.png") < page.index("2. z &lt;b&gt;.png")
    assert "<b>" not in page
    assert "label &#x27;dog&#x27;: the model detects &#x27;person&#x27; with confidence 0.90" in page
    assert '<rect class="label wrong" x="40.0" y="40.0" width="40.0" height="40.0"/>' in page
    assert '<rect class="found wrong" x="40.0" y="40.0" width="40.0" height="40.0"/>' in page
    assert ">1: person 0.90</text>" in page
    assert "the worst 2" not in page
    assert [read_picture(image).shape for image in sorted((folder / "suspects").iterdir())] == [(100, 100, 3)] * 2


def test_none_by_default(tmp_path: Path) -> None:
    metrics, memory = run(tmp_path, make_data(tmp_path))
    assert not list(metrics.path.parent.glob("suspects*"))
    assert memory.notes == []


def test_classes(tmp_path: Path) -> None:
    """Labels and detections of other classes do not count: nothing finds the dog that is a person."""
    metrics, _ = run(tmp_path, make_data(tmp_path), suspects=5, classes="dog")
    content = json.loads((metrics.path.parent / "suspects.json").read_text())
    kinds = [(row["image"], [item["kind"] for item in row["contradictions"]]) for row in content["images"]]
    assert kinds == [("z <b>.png", ["no-label"]), ("sure.png", ["not-found"])]


def supplemented(metrics: Metrics, data: Dataset, folder: Path, **options: Any) -> bool:
    """Do what the store does with a stored result; return whether anything was missing."""
    context, _ = make_context(folder)
    add = supplement(make_config(**options), metrics, {"dataset": data}, context)
    if add:
        add(metrics.path.parent)
    return add is not None


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("suspects*") if file.is_file()}


def test_a_stored_evaluation_gets_the_same_files(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    first, _ = run(tmp_path / "first", data, suspects=2)
    stored, _ = run(tmp_path / "stored", data)
    assert supplemented(stored, data, tmp_path / "s", suspects=2)
    assert contents(stored.path.parent) == contents(first.path.parent)
    assert len(contents(stored.path.parent)) == 3
    assert not supplemented(stored, data, tmp_path / "s", suspects=2)


def test_a_stored_evaluation_with_another_number(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    stored, _ = run(tmp_path / "stored", data, suspects=2)
    assert supplemented(stored, data, tmp_path / "s", suspects=1)
    assert names(stored.path.parent) == ["sure.png"]
    assert len(list((stored.path.parent / "suspects").iterdir())) == 1
    assert supplemented(stored, data, tmp_path / "s")
    assert not list(stored.path.parent.glob("suspects*"))
    assert not supplemented(stored, data, tmp_path / "s")


def test_a_data_set_in_another_place(tmp_path: Path) -> None:
    """The evaluation is reused; the list names the images where they are now."""
    stored, _ = run(tmp_path / "stored", make_data(tmp_path / "old"), suspects=2)
    moved = make_data(tmp_path / "new")
    shutil.rmtree(tmp_path / "old")
    assert supplemented(stored, moved, tmp_path / "s", suspects=2)
    found = files_of(str(stored.path.parent / "suspects.txt"), PassedOver())
    assert found == [tmp_path / "new" / "set" / "images" / "val" / name for name in ("sure.png", "z <b>.png")]


def test_the_number_is_not_in_the_key() -> None:
    from core.options.fields import keyed_options

    (stage,) = hookline_stages()
    assert stage.supplement is supplement
    assert keyed_options(make_config(suspects=5)) == keyed_options(make_config())


def coco_of(count: int) -> tuple[Any, Any]:
    """Images without labels, each with one detection of a rising score."""
    truth = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 50, "width": 50} for n in range(count)],
        "categories": [{"id": 0, "name": "a"}],
        "annotations": [],
    }
    score = np.linspace(0.5, 1, count)
    rows = [{"image_id": n, "category_id": 0, "bbox": [0, 0, 9, 9], "score": float(score[n])} for n in range(count)]
    return truth, rows


def test_the_worst_of_many() -> None:
    truth, rows = coco_of(100)
    suspects = find_suspects(truth, rows, Record({0: "a"}, 0.2, {}), (), 3)
    assert [item.image["file_name"] for item in suspects.worst] == ["99.png", "98.png", "97.png"]
    assert suspects.total == 100
    assert "labels of 100 of 100 images; the worst 3 are in" in str(suspects)
    assert "of none of 1 image" in str(replace(suspects, total=0, evaluated=1))


def test_equal_ones_in_the_order_of_the_images() -> None:
    truth, rows = coco_of(5)
    equal = [{**row, "score": 0.7} for row in rows]
    suspects = find_suspects(truth, equal, Record({0: "a"}, 0.2, {}), (), 3)
    assert [item.image["file_name"] for item in suspects.worst] == ["0.png", "1.png", "2.png"]


def test_hostile_names(tmp_path: Path) -> None:
    """A line break cannot be in a list; an image that is gone has no picture on the page."""
    truth, rows = coco_of(3)
    files = ["a\nb.png", "c\udce9.png", "gone.png"]
    for image, name in zip(truth["images"], files, strict=True):
        image["file_name"] = name
    samples = [Sample(tmp_path / name, None) for name in files]
    for sample in samples[:2]:
        shutil.move(write_picture(tmp_path / "x.png", (50, 50)), sample.image)
    suspects = find_suspects(truth, rows, Record({0: "a"}, 0.2, {}), (), 3)
    write_suspects(suspects, samples, tmp_path, Decoding())
    listed = (tmp_path / "suspects.txt").read_bytes().splitlines()
    assert listed == [bytes(tmp_path / "gone.png"), bytes(tmp_path / "c\udce9.png")]
    assert names(tmp_path) == ["gone.png", "c\udce9.png", "a\nb.png"]
    assert "The image cannot be read." in (tmp_path / "suspects.html").read_text()
