"""Ignore regions: which classes of label files are objects, and which mark areas to leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.artifacts import Dataset
from core.data.data_yaml import read_data_yaml
from core.data.dataset import Sample, content_digest, list_samples, load_split
from core.data.writing import write_listing
from core.errors import HooklineError
from core.label_classes import ALL_CLASSES, LabelClasses
from core.labels import as_one_class, load_labels, of_classes
from core.storage.serial import decode, encode

CLASSES = LabelClasses(("ignore-regions", "person", "crowd", "car"), {"ignore-regions": (), "crowd": ("person",)})
TEXT = "names: [ignore-regions, person, crowd, car]\nignore: {ignore-regions: all, crowd: [person]}\nval: images/val\n"


def write(folder: Path, text: str = TEXT) -> Path:
    (folder / "images" / "val").mkdir(parents=True)
    (folder / "labels" / "val").mkdir(parents=True)
    (folder / "images" / "val" / "a.jpg").touch()
    (folder / "labels" / "val" / "a.txt").write_text(
        "1 .5 .5 .1 .1\n0 .2 .2 .4 .4\n3 .6 .6 .1 .1\n2 .8 .8 .2 .2\n0 .2 .2 .4 .4\n"
    )
    (folder / "data.yaml").write_text(text)
    return folder / "data.yaml"


def test_the_model_has_the_other_classes() -> None:
    assert CLASSES.names == ("person", "car")
    assert CLASSES.ids == (None, 0, None, 1)
    assert list(CLASSES.ignored_by(0)) == [ALL_CLASSES]
    assert list(CLASSES.ignored_by(2)) == [0]
    assert decode(LabelClasses, encode(CLASSES)) == CLASSES


def test_classes_of_the_same_name_stay_apart() -> None:
    classes = LabelClasses(("car", "crowd", "car", "person"), {"crowd": ("person", "car")})
    assert classes.names == ("car", "car", "person")
    assert classes.ids == (0, None, 1, 2)
    assert list(classes.ignored_by(1)) == [2, 0, 1]


def test_objects_and_regions_of_a_label_file(tmp_path: Path) -> None:
    spec = read_data_yaml(write(tmp_path))
    assert (spec.names, spec.classes) == (CLASSES.names, CLASSES)
    (sample,) = list_samples(spec, "val")
    labels = load_labels(sample, spec.names)
    assert labels.classes.tolist() == [0, 1]
    np.testing.assert_array_equal(labels.boxes, [[0.5, 0.5, 0.1, 0.1], [0.6, 0.6, 0.1, 0.1]])
    assert labels.region_classes.tolist() == [ALL_CLASSES, 0]
    np.testing.assert_array_equal(labels.regions, [[0.2, 0.2, 0.4, 0.4], [0.8, 0.8, 0.2, 0.2]])
    assert of_classes(labels, [1]).region_classes.tolist() == [ALL_CLASSES]
    assert as_one_class(labels).region_classes.tolist() == [ALL_CLASSES, 0]


def test_the_rule_reaches_the_samples_of_the_artifact(tmp_path: Path) -> None:
    spec = read_data_yaml(write(tmp_path))
    splits = {"val": list_samples(spec, "val")}
    digest = content_digest(spec.names, splits)
    write_listing(tmp_path / "dataset.json", spec.names, splits, digest, spec.path)
    dataset = Dataset(
        path=tmp_path / "dataset.json", digest=digest, names=spec.names, splits={"val": 1}, classes=spec.classes
    )
    (sample,) = load_split(decode(Dataset, encode(dataset)), "val")
    assert load_labels(sample, dataset.names).region_classes.tolist() == [ALL_CLASSES, 0]


def test_the_rule_is_part_of_the_content(tmp_path: Path) -> None:
    spec = read_data_yaml(write(tmp_path))
    samples = list_samples(spec, "val")
    rules = [CLASSES, replace(CLASSES, ignore={**CLASSES.ignore, "crowd": ()}), None]
    digests = {
        content_digest(spec.names, {"val": [replace(sample, classes=rule) for sample in samples]}) for rule in rules
    }
    assert len(digests) == 3


def test_a_data_set_without_regions_has_no_rule(tmp_path: Path) -> None:
    spec = read_data_yaml(write(tmp_path, TEXT.replace("ignore: {", "other: {")))
    assert (spec.classes, len(spec.names)) == (None, 4)
    labels = load_labels(Sample(tmp_path / "a.jpg", None), spec.names)
    assert labels.regions.shape == (0, 4)
    assert labels.region_classes.shape == (0,)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("[crowd]", "'ignore' in .* is .*; write ignore:"),
        ("{crowds: all}", "unknown class in 'ignore' of .*'crowds'; did you mean crowd"),
        ("{crowd: [persn]}", "'persn'; did you mean person"),
        ("{crowd: 5x}", "'5x'"),
        ("{crowd: al}", "'al'; did you mean all\\? possible: all, car, ignore-regions, person$"),
        ("{crowd: al, ignore-regions: all}", "possible: all, car, person$"),
        ("{crowd: [all]}", "'all' in .* is in a list; write ignore: {.*: all}, or"),
        ("{crowd: []}", "'ignore' in .* has \\[\\] for 'crowd'"),
        (
            "{crowd: [ignore-regions], ignore-regions: all}",
            "'ignore-regions' in .* is a class of regions and",
        ),
        ("{crowd: all, ignore-regions: all, person: all, car: all}", "'ignore' in .* names every class; remove"),
    ],
)
def test_mistakes_in_the_rule(tmp_path: Path, rule: str, message: str) -> None:
    text = f"names: [ignore-regions, person, crowd, car]\nignore: {rule}\nval: images/val\n"
    with pytest.raises(HooklineError, match=message):
        read_data_yaml(write(tmp_path, text))
