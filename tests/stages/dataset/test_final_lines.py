"""No image and no label is left out without being counted in the lines that every run with the data set prints."""

from __future__ import annotations

from pathlib import Path

from core.media.choices import MAX_PIXELS
from stages.dataset import dataset
from stages.dataset.config import Bad, DatasetConfig
from tests.support.commands import run_hookline
from tests.support.dataset_tools import write_dataset
from tests.support.stage_tools import make_context

OBJECT, OTHER = (0, 0.5, 0.5, 0.2, 0.2), (1, 0.5, 0.5, 0.2, 0.2)
LINES = [
    "left out 2 repeated paths in the lists of 'train': each image is used once",
    "skipped 1 of 3 images of 'train': c.png (malformed-row)",
    (
        "repaired 4 label rows of 'train' while reading: 1 repeated-row, 1 clipped-box, 1 polygon-row, 1 score-column; "
        "+stage=convert writes repaired labels"
    ),
    "left out 1 label file of 'train' without an image: stray.txt",
]


def write(folder: Path) -> Path:
    """Write a data set with everything that is left out or repaired."""
    names = ("a", "b", "c")
    file = write_dataset(folder, {"train": {name: [OBJECT, OTHER] for name in names}, "val": {"d": [OBJECT, OTHER]}})
    images, labels = folder / "images" / "train", folder / "labels" / "train"
    (labels / "a.txt").write_text(
        "0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n1 .5 .5 .5 1.01\n1 .1 .1 .2 .2 .3 .1\n1 .4 .4 .2 .2 .9\n"
    )
    (labels / "c.txt").write_text("0 .5\n")
    (labels / "stray.txt").write_text("0 .5 .5 .2 .2\n")
    paths = [images / f"{name}.png" for name in (*names, "a", "b")]
    (folder / "train.txt").write_text("".join(f"{path}\n" for path in paths))
    file.write_text(file.read_text().replace("train: images/train", "train: train.txt"))
    return file


def test_everything_left_out_is_counted(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    config = DatasetConfig(str(write(tmp_path / "set")), Bad.skip, report=False, max_pixels=MAX_PIXELS, imgsz=640)
    assert list(dataset(config, context).notes) == LINES


def test_a_folder_and_a_list_of_its_images(tmp_path: Path) -> None:
    file = write(tmp_path / "set")
    file.write_text(file.read_text().replace("train: train.txt", "train: [train.txt, images/train]"))
    context, _ = make_context(tmp_path)
    config = DatasetConfig(str(file), Bad.skip, report=False, max_pixels=MAX_PIXELS, imgsz=640)
    assert dataset(config, context).notes[0] == LINES[0].replace("2", "5")


def test_more_repairs_than_are_reported(tmp_path: Path) -> None:
    file = write_dataset(tmp_path / "set", {"val": {"a": []}})
    (tmp_path / "set" / "labels" / "val" / "a.txt").write_text(
        "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n" + "0 .5 .5 .2 .2\n" * 1001
    )
    context, _ = make_context(tmp_path)
    result = dataset(DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640), context)
    assert result.notes[0].startswith("repaired at least 1,000 label rows of 'val' while reading: 1000 repeated-row;")


def test_a_run_that_reuses_the_result_prints_the_same_lines(tmp_path: Path) -> None:
    file = write(tmp_path / "set")
    words = ("+stage=dataset", f"data={file}", "dataset.bad=skip", "dataset.report=false")
    runs = [run_hookline(*words, cwd=tmp_path) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0]
    assert "reused" in runs[1].stdout
    for run in runs:
        assert [line for line in run.stderr.splitlines() if line.removeprefix("warning: ") in LINES] == [
            f"warning: {line}" for line in LINES
        ]
