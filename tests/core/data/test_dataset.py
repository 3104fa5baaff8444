from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.artifacts import Dataset
from core.data.data_yaml import read_data_yaml
from core.data.dataset import (
    Sample,
    content_digest,
    label_path,
    list_problems,
    list_samples,
    load_split,
    sample_names,
)
from core.data.label_rows import RowProblem
from core.data.writing import write_listing
from core.errors import HooklineError
from core.labels import check_labels, load_labels
from core.media import suffixes
from core.media.suffixes import PassedOver
from tests.support.dataset_tools import write_dataset, write_picture


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/set/images/val/a.jpg", "/set/labels/val/a.txt"),
        ("/images/set/images/a.b.png", "/images/set/labels/a.b.txt"),
        ("/set/val/a.jpg", "/set/val/a.txt"),
        ("/set/val/images", "/set/val/images.txt"),
    ],
)
def test_label_path(image: str, label: str) -> None:
    assert label_path(Path(image)) == Path(label)


def test_folder_is_listed_recursively_sorted_and_without_other_files(tmp_path: Path) -> None:
    file = write_dataset(tmp_path, {"val": {"b": [(0, 0.5, 0.5, 0.2, 0.2)], "a": []}})
    write_picture(tmp_path / "images" / "val" / "deep" / "C.PNG")
    write_picture(tmp_path / "images" / "val" / ".hidden.png")
    (tmp_path / "images" / "val" / "notes.txt").write_text("")
    samples = list_samples(read_data_yaml(file), "val")
    assert [sample.image.name for sample in samples] == ["a.png", "b.png", "C.PNG"]
    assert [sample.label is not None for sample in samples] == [True, True, False]


def test_linked_folder_keeps_its_name_for_the_labels(tmp_path: Path) -> None:
    write_picture(tmp_path / "store" / "a.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "val").symlink_to(tmp_path / "store")
    (tmp_path / "labels" / "val").mkdir(parents=True)
    (tmp_path / "labels" / "val" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    (tmp_path / "data.yaml").write_text("val: images/val\nnames: [a]")
    (sample,) = list_samples(read_data_yaml(tmp_path / "data.yaml"), "val")
    assert sample == Sample(tmp_path / "images" / "val" / "a.png", tmp_path / "labels" / "val" / "a.txt")


def test_list_keeps_its_order_and_drops_repeats(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"val": {"b": [], "a": [], "c": []}})
    (tmp_path / "val.txt").write_text(f"./images/val/c.png\n\nimages/val/a.png\n{tmp_path}/images/val/c.png\n")
    (tmp_path / "data.yaml").write_text("val: val.txt\nnames: [a]")
    samples = list_samples(read_data_yaml(tmp_path / "data.yaml"), "val")
    assert [sample.image.stem for sample in samples] == ["c", "a"]


def test_a_list_names_images_only(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"val": {"a": []}})
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "val.txt").write_text("images/val/a.png\nclip.mp4\n")
    (tmp_path / "data.yaml").write_text("val: val.txt\nnames: [a]")
    spec = read_data_yaml(tmp_path / "data.yaml")
    assert ["line 2 of" in str(problem) for problem in list_problems(spec)] == [True]
    with pytest.raises(HooklineError, match=r"line 2 of '.*val.txt' is not the path of an image: 'clip.mp4'"):
        list_samples(spec, "val")


def test_list_with_a_missing_image_names_the_line(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"val": {"a": []}})
    (tmp_path / "val.txt").write_text("images/val/a.png\nimages/val/z.png\n")
    (tmp_path / "data.yaml").write_text("val: val.txt\nnames: [a]")
    with pytest.raises(HooklineError, match=r"'images/val/z.png' \(line 2 of '.*val.txt'\) does not exist"):
        list_samples(read_data_yaml(tmp_path / "data.yaml"), "val")


def test_empty_and_unknown_split(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "data.yaml").write_text("val: images\nnames: [a]")
    spec = read_data_yaml(tmp_path / "data.yaml")
    with pytest.raises(HooklineError, match=r"split 'val' has no images in '.*images'; suffixes of images: .avif"):
        list_samples(spec, "val")
    with pytest.raises(HooklineError, match="unknown split 'vall'; did you mean val"):
        list_samples(spec, "vall")


def test_listing_round_trip(tmp_path: Path) -> None:
    samples = [Sample(tmp_path / "é.png", tmp_path / "é.txt"), Sample(tmp_path / "b.png", None)]
    target = tmp_path / "dataset.json"
    write_listing(target, ["a"], {"val": samples}, "digest", tmp_path / "data.yaml")
    dataset = Dataset(path=target, digest="0", names=("a",), splits={"val": 2})
    assert load_split(dataset, "val") == samples
    with pytest.raises(HooklineError, match="unknown split 'train'; possible: val"):
        load_split(dataset, "train")


def test_images_inside_the_artifact_move_with_it(tmp_path: Path) -> None:
    made, moved = tmp_path / "made", tmp_path / "moved"
    made.mkdir()
    outside = Sample(tmp_path / "other" / "b.png", None)
    inside = Sample(made / "images" / "a.png", made / "labels" / "a.txt")
    write_listing(made / "dataset.json", ["a"], {"val": [inside, outside]}, "digest", made / "data.yaml")
    assert str(made / "images") not in (made / "dataset.json").read_text()
    made.rename(moved)
    dataset = Dataset(path=moved / "dataset.json", digest="0", names=("a",), splits={"val": 2})
    assert load_split(dataset, "val") == [Sample(moved / "images" / "a.png", moved / "labels" / "a.txt"), outside]


def test_damaged_listing(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{")
    dataset = Dataset(path=tmp_path / "dataset.json", digest="0", names=("a",), splits={"val": 2})
    with pytest.raises(HooklineError, match="is not the listing of a data set"):
        load_split(dataset, "val")


def test_labels(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_text("\ufeff1 .5 .5 1 1\n\n0.0 0.25 0.5 1e-1 0.2\r\n", encoding="utf-8")
    labels = load_labels(Sample(tmp_path / "a.png", label), ["a", "b"])
    assert labels.classes.tolist() == [1, 0]
    assert labels.classes.dtype == np.int32
    np.testing.assert_array_equal(labels.boxes, [[0.5, 0.5, 1, 1], [0.25, 0.5, 0.1, 0.2]])


def test_repeated_rows_count_once(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_text("1 .5 .5 .1 .1\n0 .5 .5 .1 .1\n1.0 0.5 0.5 0.1 1e-1\n1 .5 .5 .1 .2\n")
    assert load_labels(Sample(tmp_path / "a.png", label), ["a", "b"]).classes.tolist() == [1, 0, 1]
    _, (bad,) = check_labels(label, 2)
    assert (bad.line, bad.problem) == (3, RowProblem.repeated)
    assert bad.message == f"line 3 of '{label}' repeats line 1: '1.0 0.5 0.5 0.1 1e-1'"


def test_good_rows_and_all_bad_ones(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_text("0 .5 .5\n0 .5 .5 .1 .1\n9 .5 .5 .1 .1\n0 2 .5 .1 .1\n0 .5 .5 0 .1\n")
    labels, bad = check_labels(label, 2)
    assert len(labels) == 1
    assert [(row.line, row.problem.value) for row in bad] == [
        (1, "malformed-row"), (3, "class-out-of-range"), (4, "box-outside"), (5, "empty-box"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", [None, "", "\n \n"])
def test_background(tmp_path: Path, text: str | None) -> None:
    label = tmp_path / "a.txt"
    if text is not None:
        label.write_text(text)
    labels = load_labels(Sample(tmp_path / "a.png", label if text is not None else None), ["a"])
    assert len(labels) == 0
    assert labels.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("0 .5 .5 .1", "has 4 values: '0 .5 .5 .1'"),
        ("0 .5 .5 .1 .1 7", "has 6 values, and the last one is no score"),
        ("0 .1 .1 .2 .2 .3 .3 .4", "has 8 values"),
        ("0,.5,.5,.1,.1", "has commas between its values; separate them with blanks"),
        ("0, .5, .5, .1, .1", "has commas between its values"),
        ("0;.5;.5;.1;.1", "has semicolons between its values; separate them with blanks"),
        ("0 0,5 0,5 0,1 0,1", "has numbers with a decimal comma; write a point"),
        ("0 .5 .5 .1 .1 0 .5 .5 .1 .1", "has 10 values"),
        ("0 .5 .5 .1 x", "has a value that is not a number"),
        ("2 .5 .5 .1 .1", r"has class 2, but the data set has 2 classes \(0 to 1\)"),
        ("-1 .5 .5 .1 .1", "has class -1"),
        ("0.5 .5 .5 .1 .1", "has class 0.5"),
        ("nan .5 .5 .1 .1", "has class nan"),
        ("inf .5 .5 .1 .1", "has class inf"),
        ("0 320 240 64 48", "has a box outside 0..1: '320 240 64 48'"),
        ("0 nan .5 .1 .1", "has a box outside 0..1"),
        ("0 .5 .5 0 .1", "has a box without area"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, problem: str) -> None:
    label = tmp_path / "a.txt"
    label.write_text(f"0 .5 .5 .1 .1\n\n{row}\n")
    with pytest.raises(HooklineError, match=rf"line 3 of '.*a.txt' {problem}"):
        load_labels(Sample(tmp_path / "a.png", label), ["a", "b"])


def test_only_rows_of_ten_values(tmp_path: Path) -> None:
    label = tmp_path / "a.txt"
    label.write_text("0 .5 .5 .1 .1 0 .5 .5 .1 .1\n")
    with pytest.raises(HooklineError, match=r"line 1 of '.*a.txt' has 10 values"):
        load_labels(Sample(tmp_path / "a.png", label), ["a"])


def test_names_of_images_do_not_depend_on_the_folder() -> None:
    assert sample_names([]) == []
    assert sample_names([Sample(Path("/a/images/val/1.png"), None)]) == ["1.png"]
    deep = [Sample(Path(f"/a/images/val/{name}"), None) for name in ("x/1.png", "y/1.png", "2.png")]
    assert sample_names(deep) == ["x/1.png", "y/1.png", "2.png"]


ROWS = {"a": [(0, 0.5, 0.5, 0.2, 0.2)], "b": []}


def digest_below(root: Path) -> str:
    spec = read_data_yaml(root / "data.yaml")
    return content_digest(spec.names, {split: list_samples(spec, split) for split in spec.splits})


def test_a_moved_data_set_has_the_same_content(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", {"train": ROWS, "val": ROWS})
    shutil.copytree(tmp_path / "set", tmp_path / "deeper" / "other")
    assert digest_below(tmp_path / "set") == digest_below(tmp_path / "deeper" / "other")


def renamed_image(root: Path) -> None:
    (root / "images" / "val" / "b.png").rename(root / "images" / "val" / "c.png")


def changed_image(root: Path) -> None:
    write_picture(root / "images" / "val" / "b.png", seed=77)


def changed_label(root: Path) -> None:
    (root / "labels" / "val" / "a.txt").write_text("1 0.5 0.5 0.2 0.2\n")


def removed_label(root: Path) -> None:
    (root / "labels" / "val" / "b.txt").unlink()


def renamed_class(root: Path) -> None:
    file = root / "data.yaml"
    file.write_text(file.read_text().replace("person", "pedestrian"))


def exchanged_splits(root: Path) -> None:
    file = root / "data.yaml"
    text = file.read_text().replace("train: images/train", "train: images/VAL").replace("images/val", "images/train")
    file.write_text(text.replace("images/VAL", "images/val"))


@pytest.mark.parametrize(
    "change", [renamed_image, changed_image, changed_label, removed_label, renamed_class, exchanged_splits]
)
def test_the_content_of_a_data_set(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write_dataset(tmp_path, {"train": ROWS, "val": ROWS})
    before = digest_below(tmp_path)
    change(tmp_path)
    assert digest_below(tmp_path) != before


@pytest.mark.parametrize("name", ["b.mp4", "b", "b.txt", "x" * 5000])
def test_a_list_that_names_no_image(tmp_path: Path, name: str) -> None:
    """The check of the data set finds what a later stage would refuse."""
    write_picture(tmp_path / "a.jfif.png").rename(tmp_path / "a.jfif")
    (tmp_path / "list.txt").write_text(f"a.jfif\n\n{name}\n")
    (tmp_path / "data.yaml").write_text("train: list.txt\nval: list.txt\nnames: [a]")
    spec = read_data_yaml(tmp_path / "data.yaml")
    (problem,) = list_problems(spec)
    assert "line 3 of " in str(problem)
    assert "is not the path of an image" in str(problem)
    with pytest.raises(HooklineError, match="line 3 of "):
        list_samples(spec, "train")
    (tmp_path / "list.txt").write_text("a.jfif\n")
    assert list(list_problems(spec)) == []
    assert [sample.image.name for sample in list_samples(spec, "train")] == ["a.jfif"]


def test_an_image_in_two_spellings_counts_once(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"train": {"a": [], "b": []}})
    lines = ["images/train/a.png", "./images/../images/train/a.png", str(tmp_path / "images" / "train" / "a.png")]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    (tmp_path / "data.yaml").write_text("train: [list.txt, images/train]\nnames: [a]")
    assert [sample.image.name for sample in list_samples(read_data_yaml(tmp_path / "data.yaml"), "train")] == [
        "a.png",
        "b.png",
    ]


def test_files_that_are_not_images_are_collected(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"train": {"a": []}})
    folder = tmp_path / "images" / "train"
    (folder / "folder.jpg").mkdir()
    (folder / "broken.JPG").symlink_to("missing.jpg")
    for name in ("b.psd", "folder.jpg/c.mp4", ".hidden.psd", "notes.txt"):
        (folder / name).touch()
    (tmp_path / "data.yaml").write_text("train: [images/train, images]\nnames: [a]")
    passed = PassedOver()
    samples = list_samples(read_data_yaml(tmp_path / "data.yaml"), "train", passed)
    assert [sample.image.name for sample in samples] == ["a.png", "broken.JPG"]
    assert passed.line() in {"passed over 1 .mp4, 1 .psd", "passed over 1 .psd, 1 .mp4"}


def test_a_split_with_only_other_files_names_them(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.psd").touch()
    (tmp_path / "data.yaml").write_text("train: images\nnames: [a]")
    with pytest.raises(HooklineError, match=r"has no images in '.*'; passed over 1 \.psd; suffixes of images: \.avif"):
        list_samples(read_data_yaml(tmp_path / "data.yaml"), "train")


def test_a_heic_in_a_list_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffixes, "reads_heif", lambda: False)
    (tmp_path / "list.txt").write_text("a.HEIC\n")
    (tmp_path / "data.yaml").write_text("train: list.txt\nnames: [a]")
    (problem,) = list_problems(read_data_yaml(tmp_path / "data.yaml"))
    assert str(problem).endswith("; install pillow-heif to read HEIC images: pip install pillow-heif")
