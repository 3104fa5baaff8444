"""One data set per kind of finding, and the exact message."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.data.data_yaml import read_data_yaml
from core.data.label_rows import RowProblem
from core.media import suffixes
from stages.dataset.auditing import Audit, run_audit
from stages.dataset.findings import KINDS, AuditFinding, Severity, counted_kinds, lines_of
from stages.dataset.listing import list_splits
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.media_tools import half_a_jpeg, oriented_jpeg
from tests.support.stage_tools import make_context

OBJECT, OTHER = (0, 0.5, 0.5, 0.2, 0.2), (1, 0.5, 0.5, 0.2, 0.2)
ROWS = "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n"


def audit_of(folder: Path, change: Callable[[Path], object] = lambda _: None) -> Audit:
    """Audit a data set of one image in train and one in val after ``change`` damaged it."""
    file = write_dataset(folder / "set", {"train": {"a": [OBJECT, OTHER]}, "val": {"b": [OBJECT]}})
    change(file.parent)
    context, _ = make_context(folder)
    return run_audit(*list_splits(str(file)), context)


def picture(root: Path) -> Path:
    return root / "images" / "train" / "a.png"


def label(root: Path) -> Path:
    return root / "labels" / "train" / "a.txt"


def rows(text: str) -> Callable[[Path], object]:
    return lambda root: label(root).write_text(text)


def turn(root: Path) -> None:
    """The image as a JPEG with an EXIF rotation of 90 degrees."""
    content = cv2.imencode(".jpg", cv2.imread(str(picture(root))))[1].tobytes()
    picture(root).unlink()
    picture(root).with_suffix(".jpg").write_bytes(oriented_jpeg(content, 6))


def copy(source: str, target: str) -> Callable[[Path], object]:
    return lambda root: (root / target).write_bytes((root / source).read_bytes())


def link_to_nothing(root: Path) -> None:
    picture(root).unlink()
    picture(root).symlink_to("nowhere.png")


def shorten(root: Path) -> None:
    picture(root).write_bytes(picture(root).read_bytes()[:2000])


def encoded_again(root: Path) -> None:
    """The image of train in val, enlarged and as a JPEG."""
    image = cv2.resize(cv2.imread(str(picture(root))), None, fx=3, fy=3)
    (root / "images" / "val" / "b.png").unlink()
    cv2.imwrite(str(root / "images" / "val" / "b.jpg"), image)


def empty_val(root: Path) -> None:
    (root / "labels" / "val" / "b.txt").write_text("")


CASES: list[tuple[str, Callable[[Path], object], str]] = [
    ("unreadable-picture", lambda root: picture(root).write_bytes(b""), "cannot read '{picture}': the file is empty"),
    ("unreadable-picture", lambda root: picture(root).write_bytes(b"text"),
     "cannot read '{picture}': not an image, or damaged"),
    ("unreadable-picture", link_to_nothing, "cannot read '{picture}': No such file or directory"),
    ("truncated-picture", shorten, "cannot read '{picture}': the file is truncated"),
    ("unreadable-label", lambda root: label(root).write_bytes(b"\xff\xfe"),
     "cannot read the labels '{label}': it is not UTF-8 text (byte 0)"),
    ("malformed-row", rows(ROWS + "0 .1 .1 .2 .2 .3 .3 .4\n"), "line 3 of '{label}' has 8 values: '0 .1 .1 .2 .2 .3'"),
    ("polygon-row", rows(ROWS + "0 .1 .1 .2 .2 .3 .3\n"),
     "line 3 of '{label}' is a polygon of 3 points; its bounding box is used (+stage=convert writes the boxes)"),
    ("score-column", rows(ROWS + "0 .1 .1 .2 .2 .75\n"), "line 3 of '{label}' has a score, which is not used: '.75'"),
    ("clipped-box", rows(ROWS + "0 .5 .5 .5 1.01\n"),
     "line 3 of '{label}' leaves 0..1 by less than a pixel and is clipped: '.5 .5 .5 1.01'"),
    ("box-beyond", rows(ROWS + "0 .9 .5 .3 .1\n"),
     "line 3 of '{label}' has a box whose corners leave the image: '.9 .5 .3 .1'"),
    ("class-out-of-range", rows(ROWS + "2 .5 .5 .2 .2\n"),
     "line 3 of '{label}' has class 2, but the data set has 2 classes (0 to 1)"),
    ("box-outside", rows(ROWS + "1 320 240 64 48\n"), "line 3 of '{label}' has a box outside 0..1: '320 240 64 48'"),
    ("empty-box", rows(ROWS + "\n1 .5 .5 .2 0\n"), "line 4 of '{label}' has a box without area: '.5 .5 .2 0'"),
    ("repeated-row", rows(ROWS + "0 0.50 .5 .2 .2\n"), "line 3 of '{label}' repeats line 1: '0 0.50 .5 .2 .2'"),
    ("damaged-picture", lambda root: picture(root).write_bytes(half_a_jpeg()),
     "'{picture}' is damaged: Corrupt JPEG data: premature end of data segment"),
    ("deep-image", lambda root: cv2.imwrite(str(picture(root)), np.arange(3072, dtype=np.uint16).reshape(48, 64)),
     "'{picture}' has 16 bits per channel, values 0 to 3071 of 65535; 4095 becomes 255"),
    ("alpha-image", lambda root: cv2.imwrite(str(picture(root)), np.full((48, 64, 4), 100, np.uint8)),
     "'{picture}' has an alpha channel: composited on gray 114"),
    ("turned-picture", turn,
     ("'{root}/images/train/a.jpg' has EXIF orientation 6: "
     "its boxes refer to the rotated image of 48 x 64 pixels")),
    ("tiny-picture", lambda root: write_picture(picture(root), (9, 40)), "'{picture}' is only 9 x 40 pixels"),
    ("shared-label", lambda root: write_picture(root / "images" / "train" / "a.jpg", seed=9),
     "'{picture}' and '{root}/images/train/a.jpg' share the label file '{label}'"),
    ("repeated-picture", copy("images/train/a.png", "images/train/c.png"),
     "'{root}/images/train/c.png' of 'train' is the same image as '{picture}'"),
    ("leaked-picture", copy("images/train/a.png", "images/val/b.png"),
     "'{root}/images/val/b.png' of 'val' is also in 'train' as '{picture}'"),
    ("stray-label", copy("labels/train/a.txt", "labels/train/z.txt"),
     "the label file '{root}/labels/train/z.txt' has no image in '{root}/images/train'"),
    ("unlabelled-split", empty_val,
     "split 'val' has no objects; expected e.g. labels in '{root}/labels/val/b.txt' for '{root}/images/val/b.png'"),
    ("unseen-class", rows("0 .5 .5 .2 .2\n"), "class 1 'dog' has no objects in any split"),
    ("untrained-class", rows("1 .5 .5 .2 .2\n"), "class 0 'person' has no objects in 'train', but 1 in 'val'"),
    ("near-identical-box", rows(ROWS + "1 .5 .505 .2 .2\n"),
     "'{label}' has two boxes of 'dog' with an IoU of 0.95: '0.5 0.5 0.2 0.2' and '0.5 0.505 0.2 0.2'"),
    ("near-identical-box", rows(ROWS + "1 .5 .505 .2 .2\n0 .505 .5 .2 .2\n"),
     ("'{label}' has 2 boxes that coincide with an earlier one, e.g. two of 'dog' with an IoU of 0.95: "
      "'0.5 0.5 0.2 0.2' and '0.5 0.505 0.2 0.2'")),
    ("tiny-object", rows(ROWS + "1 .2 .2 .003 .004\n"),
     "'{label}' has 1 box under 2 x 2 pixels at imgsz=640: 1.9 x 1.9"),
    ("tiny-object", rows(ROWS + "1 .2 .2 .003 .004\n1 .4 .2 .001 .002\n"),
     "'{label}' has 2 boxes under 2 x 2 pixels at imgsz=640, the smallest 0.6 x 1.0"),
    ("whole-image-box", rows(ROWS + "1 .5 .5 1 .99\n"), "'{label}' has a box that covers the image, of class 'dog'"),
    ("wrong-suffix-image", lambda root: picture(root).rename(picture(root).with_suffix(".jpg")),
     "'{root}/images/train/a.jpg' is a PNG file; other tools may not read it by its suffix"),
    ("odd-channels-image", lambda root: cv2.imwrite(str(picture(root)), cv2.imread(str(picture(root)), 0)),
     "'{picture}' is stored as grayscale and decoded to three channels"),
    ("near-leaked-image", encoded_again,
     ("'{root}/images/val/b.jpg' of 'val' is nearly the same as '{picture}' of 'train' "
      "({distance} of 128 bits differ)")),
    ("no-label", lambda root: (root / "labels" / "val" / "b.txt").unlink(),
     "'{root}/images/val/b.png' has no label file and counts as background"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "message"), CASES)
def test_each_kind(tmp_path: Path, kind: str, change: Callable[[Path], object], message: str) -> None:
    root = tmp_path / "set"
    (finding,) = (item for item in audit_of(tmp_path, change).findings if item.kind == kind)
    written = re.sub(r"\(\d+ of 128", "({distance} of 128", finding.message)
    assert written == message.format(root=root, picture=picture(root), label=label(root), distance="{distance}")


def test_every_kind_has_a_case_here_or_in_another_test() -> None:
    elsewhere = {"unlabelled", "few-objects", "class-skew"}
    assert {kind for kind, _, _ in CASES} | elsewhere == set(KINDS)


def test_the_table_of_the_documentation(repo_root: Path) -> None:
    text = (repo_root / "docs" / "dataset.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(kind, severity.value, what) for kind, (severity, what) in KINDS.items()]


def test_the_table_of_label_rows_has_every_problem(repo_root: Path) -> None:
    text = (repo_root / "docs" / "dataset.md").read_text(encoding="utf-8")
    table = text[text.index("| label row |") : text.index("| data.yaml |")]
    results = {
        problem: re.search(rf"\| (\w+)[^|]*\(`{problem.value}`\) \|$", table, re.MULTILINE) for problem in RowProblem
    }
    assert {problem: found and found[1] for problem, found in results.items()} == {
        problem: "refused" if problem.is_error else "accepted" if problem is RowProblem.beyond else "repaired"
        for problem in RowProblem
    }


@pytest.mark.parametrize("problem", list(RowProblem))
def test_a_problem_of_a_row_is_a_kind_of_its_severity(problem: RowProblem) -> None:
    severity, _ = KINDS[problem.value]
    assert severity is (Severity.error if problem.is_error else Severity.warning)


def test_a_good_data_set_has_none(tmp_path: Path) -> None:
    audit = audit_of(tmp_path)
    assert audit.findings == []
    assert {split: stats.objects for split, stats in audit.statistics.items()} == {"train": 2, "val": 1}


def test_images_with_errors_are_sorted_out_and_do_not_count(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, rows(ROWS + "0 .5 .5\n"))
    assert audit.kept["train"] == []
    assert [item.sample.image.name for item in audit.left_out["train"]] == ["a.png"]
    assert audit.statistics["train"].pictures == audit.statistics["train"].objects == 0


def test_the_same_folder_as_train_and_val(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, lambda root: (root / "data.yaml").write_text(
        "train: images/train\nval: images/train\nnames: [person, dog]\n"))  # fmt: skip
    (finding,) = audit.findings
    assert finding.message == f"'{picture(tmp_path / 'set')}' of 'val' is also in 'train'"


def test_files_next_to_images_are_orphan_labels_only_with_rows(tmp_path: Path) -> None:
    write_picture(tmp_path / "all" / "a.png")
    texts = {"a.txt": ROWS, "classes.txt": "person\ndog\n", "list.txt": "./a.png\n", "empty.txt": "", "z.txt": ROWS}
    for name, text in texts.items():
        (tmp_path / "all" / name).write_text(text)
    (tmp_path / "data.yaml").write_text("train: all\nnames: [person, dog]\n")
    context, _ = make_context(tmp_path)
    audit = run_audit(*list_splits(str(tmp_path / "data.yaml")), context)
    assert [finding.file and finding.file.name for finding in audit.findings] == ["z.txt"]


def test_a_list_leaves_images_out_without_making_strays(tmp_path: Path) -> None:
    write_dataset(tmp_path, {"train": {"a": [OBJECT, OTHER], "b": [OBJECT]}})
    (tmp_path / "train.txt").write_text("images/train/a.png\n")
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [person, dog]\n")
    spec = read_data_yaml(tmp_path / "data.yaml")
    context, _ = make_context(tmp_path)
    assert run_audit(*list_splits(str(spec.path)), context).findings == []


def test_strays_in_folders_below_that_have_no_images(tmp_path: Path) -> None:
    def deep(root: Path) -> None:
        (root / "labels" / "train" / "night").mkdir()
        (root / "labels" / "train" / "night" / "x.txt").write_text(ROWS)

    root = tmp_path / "set"
    (finding,) = audit_of(tmp_path, deep).findings
    assert finding.message == (
        f"the label file '{root}/labels/train/night/x.txt' has no image in '{root}/images/train/night'"
    )


def test_words() -> None:
    found = [AuditFinding("empty-box", "", None, None, text) for text in ("x", "y")]
    found.insert(1, AuditFinding("truncated-picture", "", None, None, "z"))
    assert counted_kinds(found) == "3 errors: 1 truncated-picture, 2 empty-box"
    assert counted_kinds(found[:1]) == "1 error: 1 empty-box"
    assert lines_of(found) == ["1 truncated-picture: z", "2 empty-box: x"]
    assert found[0].severity is Severity.error


@pytest.mark.parametrize(
    ("image", "label", "reason"),
    [
        ("b c", "b%20c", ""),
        ("b%20c", "b c", ""),
        ("\u732b", "%E7%8C%AB", ""),
        ("IMG_1", "img_1", ""),
        ("caf\u00e9", "cafe\u0301", " (its name has another Unicode form)"),
        ("Cafe\u0301", "caf%C3%A9", ""),
    ],
)
def test_a_label_whose_name_differs_only_in_form_names_its_image(
    tmp_path: Path, image: str, label: str, reason: str
) -> None:
    def add(root: Path) -> None:
        write_picture(root / "images" / "val" / f"{image}.png", seed=9)
        (root / "labels" / "val" / f"{label}.txt").write_text(ROWS)

    (finding,) = [item for item in audit_of(tmp_path, add).findings if item.kind == "stray-label"]
    file = tmp_path / "set" / "labels" / "val" / f"{label}.txt"
    assert finding.message == f"the label file '{file}' belongs to '{image}.png' by its name; rename it{reason}"
    assert finding.file == file


def test_a_label_with_an_upper_case_suffix_names_its_image(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, lambda root: label(root).rename(label(root).with_suffix(".TXT")))
    (finding,) = [item for item in audit.findings if item.kind == "stray-label"]
    assert finding.message.endswith("a.TXT' belongs to 'a.png' by its name; rename it")


def test_an_image_with_a_label_of_its_own_owns_no_other(tmp_path: Path) -> None:
    def add(root: Path) -> None:
        (root / "labels" / "train" / "A.txt").write_text(ROWS)
        for name in ("x y.png", "X Y.png"):  # either could be meant
            write_picture(root / "images" / "train" / name, seed=len(name) + ord(name[0]))
        (root / "labels" / "train" / "x%20y.txt").write_text(ROWS)

    messages = [item.message for item in audit_of(tmp_path, add).findings if item.kind == "stray-label"]
    folder = tmp_path / "set" / "images" / "train"
    assert [message.partition("' has no image in ")[2] for message in messages] == [f"'{folder}'"] * 2


def test_the_label_of_a_heic_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffixes, "reads_heif", lambda: False)

    def add(root: Path) -> None:
        (root / "images" / "train" / "c.HEIC").touch()
        (root / "labels" / "train" / "c.txt").write_text(ROWS)

    (finding,) = audit_of(tmp_path, add).findings
    assert finding.message == (
        f"the image 'c.HEIC' of the label file '{tmp_path}/set/labels/train/c.txt' is not read; "
        "install pillow-heif to read HEIC images: pip install pillow-heif"
    )
