from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.data.dataset import load_split
from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from stages.dataset import check, dataset, fingerprint
from stages.dataset.config import Bad, DatasetConfig
from tests.support.dataset_tools import write_dataset
from tests.support.stage_tools import make_context

OBJECT = (0, 0.5, 0.5, 0.2, 0.2)
OTHER = (1, 0.5, 0.5, 0.2, 0.2)


def plain(file: Path, bad: Bad = Bad.stop) -> DatasetConfig:
    return DatasetConfig(str(file), bad, report=False, max_pixels=MAX_PIXELS, imgsz=640)


def test_makes_a_dataset(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT, OTHER], "b": []}, "val": {"c": [OTHER]}})
    context, memory = make_context(tmp_path)
    result = dataset(plain(file), context)
    assert result.names == ("person", "dog")
    assert result.splits == {"train": 2, "val": 1}
    assert result.notes == ()
    assert result.path.parent == context.workdir
    assert [sample.image.name for sample in load_split(result, "train")] == ["a.png", "b.png"]
    assert result.report == (
        (
            "Split  Images  Empty  Objects  Classes  Small  Medium  Large  Errors  Warnings\n"
            "train       2      1        2        2      2       0      0       0         0\n"
            "val         1      0        1        1      1       0      0       0         0"
        ),
        (
            "Class   train  val  Share  Median box\n"
            "dog         1    1  66.7%     13 x 10\n"
            "person      1    0  33.3%     13 x 10"
        ),
    )
    assert memory.notes == []
    assert memory.warnings == []
    assert memory.steps == 3


def test_where_nobody_asked_for_it_a_line_is_enough(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT, OTHER], "b": []}, "val": {"c": [OTHER]}})
    context, memory = make_context(tmp_path)
    dataset(plain(file), replace(context, requested=False))
    assert memory.notes == ["train 2 images with 2 objects, val 1 image with 1 object"]


def test_digest_follows_images_labels_and_names(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": [OBJECT], "b": [OTHER]}})
    context, _ = make_context(tmp_path)
    config = plain(file)
    seen = [fingerprint(config, context)["content"]]
    other = (tmp_path / "set" / "images" / "val" / "b.png").read_bytes()
    for name, content in (("labels/val/a.txt", b"1 .5 .5 .1 .1\n"), ("images/val/a.png", other)):
        (tmp_path / "set" / name).write_bytes(content)
        seen.append(fingerprint(config, context)["content"])
    file.write_text(file.read_text().replace("dog", "cat"))
    seen.append(fingerprint(config, context)["content"])
    assert len(set(seen)) == 4
    assert json.loads(dataset(config, context).path.read_text())["digest"] == seen[-1]


def test_the_same_content_elsewhere_is_another_listing(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    files = [write_dataset(tmp_path / name, {"val": {"a": [OBJECT]}}) for name in ("one", "two")]
    one, two = (fingerprint(plain(file), context) for file in files)
    assert one["content"] == two["content"]
    assert one["places"] != two["places"]


def test_an_error_stops_in_one_line_and_leaves_the_report(tmp_path: Path) -> None:
    rows = {"a": [(7, *OBJECT[1:]), (8, *OBJECT[1:])], "b": [OBJECT, OTHER], "c": [(0, 0.5, 0.5, 0, 0.1)]}
    file = write_dataset(tmp_path / "set", {"val": rows})
    context, memory = make_context(tmp_path)
    with pytest.raises(HooklineError) as caught:
        dataset(DatasetConfig(str(file), max_pixels=MAX_PIXELS, imgsz=640), context)
    label, report = tmp_path / "set" / "labels" / "val" / "a.txt", context.run_dir / "dataset" / "report.html"
    assert str(caught.value) == (
        f"line 1 of '{label}' has class 7, but the data set has 2 classes (0 to 1) "
        "(the first of 3 errors: 2 class-out-of-range, 1 empty-box); correct the errors, "
        f"or skip such images with dataset.bad=skip; '{report}' lists all"
    )
    assert memory.warnings == []
    content = json.loads(report.with_name("report.json").read_text())
    assert [row["line"] for row in content["findings"]] == [1, 2, 1]
    assert content["counts"] == {"error": 3, "warning": 0, "note": 0, "class-out-of-range": 2, "empty-box": 1}
    assert f"line 1 of &#x27;{label}&#x27; has class 7" in report.read_text()


def test_the_report_of_an_error_overwrites_nothing(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": [(7, *OBJECT[1:])]}})
    context, _ = make_context(tmp_path)
    mine = context.run_dir / "dataset" / "report.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(HooklineError, match=r"'.*/run/dataset-2/report.json' lists all"):
        dataset(plain(file), context)
    assert mine.read_text() == "mine"
    assert (context.run_dir / "dataset-2" / "report.json").is_file()


def test_skip_leaves_images_out_and_says_which(tmp_path: Path) -> None:
    rows = {"a": [(7, *OBJECT[1:]), OBJECT], "b": [OBJECT, OTHER], "c": [OBJECT]}
    file = write_dataset(tmp_path / "set", {"val": rows})
    (tmp_path / "set" / "images" / "val" / "c.png").write_bytes(b"no picture")
    context, _ = make_context(tmp_path)
    result = dataset(plain(file, Bad.skip), context)
    assert result.splits == {"val": 1}
    assert [sample.image.name for sample in load_split(result, "val")] == ["b.png"]
    assert result.notes == ("skipped 2 of 3 images of 'val': a.png (class-out-of-range), c.png (unreadable-picture)",)
    content = json.loads((context.workdir / "report.json").read_text())
    assert content["splits"]["val"]["objects"] == 2
    assert [Path(name).name for name in content["left_out"]["val"]] == ["a.png", "c.png"]


def test_skip_stops_where_nothing_is_left(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"b": [OBJECT]}, "val": {"a": [(7, *OBJECT[1:])]}})
    context, _ = make_context(tmp_path)
    with pytest.raises(HooklineError, match=r"no image of split 'val' remains: line 1 of .*; correct the errors"):
        dataset(plain(file, Bad.skip), context)


def test_no_label_file_at_all(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": []}})
    label = tmp_path / "set" / "labels" / "val" / "a.txt"
    label.unlink()
    for bad in Bad:
        context, _ = make_context(tmp_path / bad.value)
        with pytest.raises(HooklineError) as caught:
            dataset(plain(file, bad), context)
        assert str(caught.value) == (
            f"no image of '{file}' has a label file; expected e.g. '{label}' for "
            f"'{tmp_path / 'set' / 'images' / 'val' / 'a.png'}'; "
            f"correct the errors; '{context.run_dir / 'dataset' / 'report.json'}' lists all"
        )


def test_check_reports_problems_before_a_run(tmp_path: Path) -> None:
    (missing,) = check(DatasetConfig(None, max_pixels=MAX_PIXELS, imgsz=640))
    assert str(missing).startswith("no data set is given; give data=<data.yaml>")
    (wrong,) = check(DatasetConfig(str(tmp_path / "no.yaml"), max_pixels=MAX_PIXELS, imgsz=640))
    assert "does not exist" in str(wrong)
    good = write_dataset(tmp_path / "set", {"val": {"a": []}})
    assert list(check(DatasetConfig(str(good), max_pixels=MAX_PIXELS, imgsz=640))) == []


def test_real_data(tmp_path: Path, shared_data: Path) -> None:
    context, memory = make_context(tmp_path)
    result = dataset(plain(shared_data / "coco_subset" / "data.yaml"), context)
    assert result.splits == {"train": 128, "val": 128}
    assert len(result.names) == 80
    content = json.loads((context.workdir / "report.json").read_text())
    assert {split: item["objects"] for split, item in content["splits"].items()} == {"train": 929, "val": 898}
    assert {split: item["classes"] for split, item in content["splits"].items()} == {"train": 71, "val": 73}
    assert content["classes"][0]["objects"] == {"train": 254, "val": 350}
    assert content["counts"] == {
        "error": 0, "warning": 9, "note": 62, "unseen-class": 4, "untrained-class": 5, "no-label": 2,
        "odd-channels-image": 2, "tiny-object": 1, "whole-image-box": 9, "few-objects": 48,
    }  # fmt: skip
    assert memory.warnings == [
        "4 unseen-class: class 12 'parking meter' has no objects in any split",
        "5 untrained-class: class 10 'fire hydrant' has no objects in 'train', but 2 in 'val'",
    ]
    assert [note.split(":")[0] for note in memory.notes] == [
        "2 no-label", "2 odd-channels-image", "1 tiny-object", "9 whole-image-box", "48 few-objects",
    ]  # fmt: skip


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """Such names come from archives of other systems; a list may contain them as well."""
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT]}, "val": {"b": [OTHER]}}, names=("person", "dog"))
    for split, stem in (("train", "a"), ("val", "b")):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            folder = tmp_path / "set" / kind / split
            (folder / f"{stem}.{suffix}").rename(folder / f"caf\udce9{stem}.{suffix}")
    (tmp_path / "set" / "val.txt").write_bytes(b"images/val/caf\xe9b.png\n")
    file.write_text(file.read_text().replace("val: images/val", "val: val.txt"))
    context, _ = make_context(tmp_path)
    result = dataset(DatasetConfig(str(file), max_pixels=MAX_PIXELS, imgsz=640), context)
    assert result.splits == {"train": 1, "val": 1}
    folder = tmp_path / "set" / "images" / "val"
    (sample,) = load_split(result, "val")
    assert sample.image == folder / "caf\udce9b.png"
    assert sample.label is not None
    assert sample.image.is_file()
    for name in ("dataset.json", "report.json"):
        json.loads((context.workdir / name).read_bytes().decode())


def test_a_class_name_that_no_font_can_draw(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT]}, "val": {"b": [OBJECT, OTHER]}}, names=("x", "y"))
    file.write_text(file.read_text().replace("'x'", r'"x\a"'))
    context, _ = make_context(tmp_path)
    assert dataset(DatasetConfig(str(file), max_pixels=MAX_PIXELS, imgsz=640), context).names == ("x\a", "y")


def test_files_that_are_passed_over_are_counted_per_split(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT, OTHER]}, "val": {"c": [OTHER]}})
    context, memory = make_context(tmp_path)
    before = fingerprint(plain(file), context)
    for name in ("train/x.psd", "train/y.psd", "train/z.mp4", "train/notes.txt", "val/deep/x.psd"):
        (tmp_path / "set" / "images" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / "images" / name).touch()
    result = dataset(plain(file), context)
    assert result.notes == ("passed over 2 .psd, 1 .mp4 of 'train'", "passed over 1 .psd of 'val'")
    assert memory.warnings == []  # the runner prints the notes of every result
    assert result.splits == {"train": 1, "val": 1}
    assert before.keys() < fingerprint(plain(file), context).keys()


def test_a_list_that_names_an_image_again_is_checked_again(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT, OTHER]}, "val": {"c": [OTHER]}})
    file.write_text(file.read_text().replace("train: images/train", "train: train.txt"))
    context, _ = make_context(tmp_path)
    entry, seen = "images/train/a.png\n", []
    for count in (1, 2, 3):  # the line with their number is part of the stored result
        (file.parent / "train.txt").write_text(entry * count)
        seen.append(tuple(sorted(fingerprint(plain(file), context).items())))
    assert len(set(seen)) == 3


def test_a_gif_in_a_data_set_is_its_first_frame(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"train": {"a": [OBJECT, OTHER]}, "val": {"c": [OTHER]}})
    moving = [Image.effect_noise((64, 48), 99), Image.effect_noise((64, 48), 9)]
    moving[0].save(tmp_path / "set" / "images" / "train" / "b.GIF", save_all=True, append_images=moving[1:])
    context, _ = make_context(tmp_path)
    result = dataset(plain(file), context)
    assert [sample.image.name for sample in load_split(result, "train")] == ["a.png", "b.GIF"]
