from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.dataset import load_split
from core.errors import HooklineError
from stages.dataset import DatasetConfig, check, dataset, fingerprint
from tests.dataset_tools import write_dataset
from tests.stage_tools import make_context

OBJECT = (0, 0.5, 0.5, 0.2, 0.2)


def test_makes_a_dataset(tmp_path: Path) -> None:
    file = write_dataset(
        tmp_path / "set", {"train": {"a": [OBJECT], "b": []}, "val": {"c": [OBJECT, (1, *OBJECT[1:])]}}
    )
    context, memory = make_context(tmp_path)
    result = dataset(DatasetConfig(str(file)), context)
    assert result.names == ("person", "dog")
    assert result.splits == {"train": 2, "val": 1}
    assert result.path.parent == context.workdir
    assert [sample.picture.name for sample in load_split(result, "train")] == ["a.png", "b.png"]
    assert memory.notes[1] == "val: 1 pictures, 2 objects of 2 classes, 0 pictures without a label file"
    assert not memory.warnings


def test_digest_follows_pictures_labels_and_names(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": [OBJECT]}})
    context, _ = make_context(tmp_path)
    config = DatasetConfig(str(file))
    seen = [fingerprint(config, context)["content"]]
    for name, text in (("labels/val/a.txt", "1 .5 .5 .1 .1\n"), ("images/val/a.png", "other")):
        (tmp_path / "set" / name).write_text(text)
        seen.append(fingerprint(config, context)["content"])
    file.write_text(file.read_text().replace("dog", "cat"))
    seen.append(fingerprint(config, context)["content"])
    assert len(set(seen)) == 4
    assert json.loads(dataset(config, context).path.read_text())["digest"] == seen[-1]


def test_the_same_content_elsewhere_is_another_listing(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    files = [write_dataset(tmp_path / name, {"val": {"a": [OBJECT]}}) for name in ("one", "two")]
    one, two = (fingerprint(DatasetConfig(str(file)), context) for file in files)
    assert one["content"] == two["content"]
    assert one["places"] != two["places"]


def test_bad_labels_are_counted(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": [(7, *OBJECT[1:])], "b": [OBJECT], "c": [(8, *OBJECT[1:])]}})
    context, _ = make_context(tmp_path)
    with pytest.raises(HooklineError, match=r"line 1 of '.*a.txt' has class 7.*and 1 more files of 'val'"):
        dataset(DatasetConfig(str(file)), context)
    assert not list(context.workdir.iterdir())


def test_split_without_any_label_file_warns(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": []}})
    (tmp_path / "set" / "labels" / "val" / "a.txt").unlink()
    context, memory = make_context(tmp_path)
    dataset(DatasetConfig(str(file)), context)
    assert "split 'val' has no label file at all" in memory.warnings[0]
    assert "labels/val/a.txt" in memory.warnings[0]


def test_check_tells_problems_before_a_run(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    (missing,) = check(DatasetConfig(None), context)
    assert str(missing).startswith("no data set is given; data=<data.yaml>")
    (wrong,) = check(DatasetConfig(str(tmp_path / "no.yaml")), context)
    assert "no data set file" in str(wrong)
    good = write_dataset(tmp_path / "set", {"val": {"a": []}})
    assert list(check(DatasetConfig(str(good)), context)) == []


def test_real_data(tmp_path: Path, shared_data: Path) -> None:
    context, memory = make_context(tmp_path)
    result = dataset(DatasetConfig(str(shared_data / "coco_subset" / "data.yaml")), context)
    assert result.splits == {"train": 128, "val": 128}
    assert len(result.names) == 80
    assert memory.notes == [
        "train: 128 pictures, 929 objects of 71 classes, 2 pictures without a label file",
        "val: 128 pictures, 898 objects of 73 classes, 0 pictures without a label file",
    ]
