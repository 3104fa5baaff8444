"""Ignore regions from the data set to the trainer: read, reported, and part of what a training is known by."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.artifacts import Dataset
from core.data.data_yaml import read_data_yaml
from core.data.dataset import content_digest, list_samples
from core.data.writing import write_listing
from core.kinds.training import TrainingImage
from core.label_classes import ALL_CLASSES
from core.labels import Labels
from stages.train import training
from stages.train.config import TrainConfig

PERSON = "0 0.5 0.5 0.2 0.2\n"
CROWD, ANY = "1 0.2 0.2 0.4 0.4\n", "2 0.8 0.8 0.1 0.1\n"


def dataset_of(folder: Path, rule: str = "{crowd: [person], any: all}") -> Dataset:
    for name, rows in (("a", PERSON + CROWD + ANY), ("b", CROWD), ("c", PERSON)):
        for kind in ("images", "labels"):
            (folder / kind / "train").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20)).save(folder / "images" / "train" / f"{name}.png")
        (folder / "labels" / "train" / f"{name}.txt").write_text(rows)
    text = f"names: [person, crowd, any, car]\nignore: {rule}\ntrain: images/train\n"
    (folder / "data.yaml").write_text(text)
    spec = read_data_yaml(str(folder / "data.yaml"))
    splits = {"train": list_samples(spec, "train")}
    digest = content_digest(spec.names, splits)
    write_listing(folder / "dataset.json", spec.names, splits, digest, spec.path)
    return Dataset(
        path=folder / "dataset.json", digest=digest, names=spec.names, splits={"train": 3}, classes=spec.classes
    )


@pytest.mark.parametrize(
    ("changes", "classes"),
    [({}, [0, ALL_CLASSES]), ({"classes": "car"}, [ALL_CLASSES]), ({"single_class": True}, [0, ALL_CLASSES])],
    ids=str,
)
def test_the_trainer_gets_the_regions_of_the_classes(
    tmp_path: Path, changes: dict[str, Any], classes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "check_objects", lambda *_: None)  # there is no car
    config = TrainConfig(**{"max_pixels": 10**6, "classes": None, "single_class": False} | changes)
    names, images = training.labelled_images(config, dataset_of(tmp_path), "train")
    assert names == (("object",) if config.single_class else ("person", "car"))
    assert images[0].labels.region_classes.tolist() == classes
    assert images[0].labels.classes.tolist() == ([] if config.classes else [0])
    np.testing.assert_array_equal(images[0].labels.regions[-1], [0.8, 0.8, 0.1, 0.1])
    assert [len(image.labels.regions) for image in images] == [len(classes), len(classes) - 1, 0]


def test_a_training_with_another_rule_is_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_family", lambda *_: None)
    monkeypatch.setattr(training, "keyed_with_families", lambda *_: {})
    rules = ("{crowd: [person], any: all}", "{crowd: all, any: all}", "{crowd: [car], any: all}", "{any: all}")
    context: Any = SimpleNamespace(seed=0)
    found = [training.identity(TrainConfig(), dataset_of(tmp_path, rule), None, context) for rule in rules]
    assert len(set(found)) == len(rules)


@pytest.mark.parametrize("supported", [True, False])
def test_regions_are_counted_once_and_a_family_without_them_warns(*, supported: bool) -> None:
    several = Labels(
        np.zeros(0, np.int32), np.zeros((0, 4)), np.array([[0.5, 0.5, 0.1, 0.1]] * 2), np.array([0, 1], np.int32)
    )
    images = [
        TrainingImage(Path("a"), (1, 1), several),
        TrainingImage(Path("b"), (1, 1), Labels(np.zeros(0, np.int32), np.zeros((0, 4)))),
    ]
    lines: list[tuple[str, str]] = []
    context: Any = SimpleNamespace(
        note=lambda line: lines.append(("note", line)), warn=lambda line: lines.append(("warn", line))
    )
    family: Any = SimpleNamespace(name="other", ignore_regions=supported)
    training.report_regions(images, family, context)
    training.report_regions(images[1:], family, context)
    counts = "1 ignore region in 1 of 2 training images"
    if supported:
        assert lines == [("note", f"{counts}: nothing in them is learned as background")]
    else:
        end = "the model family 'other' does not support them and learns them as background"
        assert lines == [("warn", f"{counts}: {end}")]
