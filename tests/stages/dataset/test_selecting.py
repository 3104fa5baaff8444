"""Which findings are reported, and what of them ends the run: dataset.only, dataset.skip, dataset.strict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.media.choices import MAX_PIXELS
from stages.dataset import check, dataset
from stages.dataset.config import Bad, DatasetConfig
from tests.support.dataset_tools import write_dataset
from tests.support.stage_tools import make_context

OBJECT, OTHER = (0, 0.5, 0.5, 0.2, 0.2), (1, 0.5, 0.5, 0.2, 0.2)
WHOLE = (0, 0.5, 0.5, 1, 1)


def config(folder: Path, change: Callable[[Path], object] = lambda _: None, **options: object) -> DatasetConfig:
    """Return options for a data set with a repeated row, a class only in val, and a box of the whole image."""
    splits = {"train": {"a": [OBJECT, OBJECT], "b": [OBJECT, WHOLE]}, "val": {"c": [OTHER]}}
    file = write_dataset(folder / "set", splits)
    change(file.parent)
    return DatasetConfig(str(file), report=False, max_pixels=MAX_PIXELS, imgsz=640, **options)


def printed(folder: Path, change: Callable[[Path], object] = lambda _: None, **options: object) -> list[str]:
    context, memory = make_context(folder)
    dataset(config(folder, change, **options), context)
    kinds = [line.split(":")[0].split()[1] for line in (*memory.warnings, *memory.notes)]
    counts = json.loads((context.workdir / "report.json").read_text())["counts"]
    assert kinds == [kind for kind in counts if "-" in kind]
    return kinds


def test_only_and_skip(tmp_path: Path) -> None:
    assert printed(tmp_path / "1") == ["repeated-row", "untrained-class", "whole-image-box"]
    assert printed(tmp_path / "2", only=["repeated-row", "whole-image-box"]) == ["repeated-row", "whole-image-box"]
    assert printed(tmp_path / "3", skip=["repeated-row"]) == ["untrained-class", "whole-image-box"]
    assert printed(tmp_path / "4", only=["repeated-row", "untrained-class"], skip=["repeated-row"]) == [
        "untrained-class"
    ]


def test_what_is_not_reported_is_still_counted_in_the_final_lines(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    result = dataset(config(tmp_path, skip=["repeated-row"]), context)
    assert result.notes == (
        "repaired 1 label row of 'train' while reading: 1 repeated-row; +stage=convert writes repaired labels",
    )


def test_errors_are_always_reported(tmp_path: Path) -> None:
    def malformed(root: Path) -> None:
        (root / "labels" / "val" / "c.txt").write_text("0 .5\n")

    context, memory = make_context(tmp_path)
    with pytest.raises(HooklineError, match="has 2 values"):
        dataset(config(tmp_path, malformed, only=["repeated-row"]), context)
    assert [line.split(":")[0] for line in memory.notes] == ["1 malformed-row"]
    assert [line.split(":")[0] for line in memory.warnings] == ["1 repeated-row"]


@pytest.mark.parametrize("bad", list(Bad))
def test_strict_makes_warnings_errors(tmp_path: Path, bad: Bad) -> None:
    context, memory = make_context(tmp_path)
    with pytest.raises(HooklineError) as caught:
        dataset(config(tmp_path, strict=True, bad=bad), context)
    label, report = tmp_path / "set" / "labels" / "train" / "a.txt", context.run_dir / "dataset" / "report.json"
    assert str(caught.value) == (
        f"dataset.strict=true, and line 2 of '{label}' repeats line 1: '0 0.5 0.5 0.2 0.2' (the first of 2 warnings: "
        "1 repeated-row, 1 untrained-class); correct the labels, or leave this kind out with "
        f"dataset.skip=[repeated-row]; '{report}' lists all"
    )
    assert [line.split(":")[0] for line in memory.warnings] == ["1 repeated-row", "1 untrained-class"]
    assert [line.split(":")[0] for line in memory.notes] == ["1 whole-image-box"]


def test_strict_without_a_warning(tmp_path: Path) -> None:
    assert printed(tmp_path, strict=True, skip=["repeated-row", "untrained-class"]) == ["whole-image-box"]


def test_an_unknown_kind_is_named_in_the_plan(tmp_path: Path) -> None:
    (first, second) = check(config(tmp_path, only=["leaked-pictur"], skip=["empty-box"]))
    assert str(first).startswith(
        "unknown kind of finding in dataset.only: 'leaked-pictur'; did you mean leaked-picture?"
    )
    assert str(second).startswith("dataset.skip: 'empty-box' is an error, and an image with an error cannot be used;")


def test_a_stage_that_the_plan_added_prints_one_line_of_notes(tmp_path: Path) -> None:
    from dataclasses import replace

    context, memory = make_context(tmp_path)
    dataset(config(tmp_path, skip=["repeated-row", "untrained-class"]), replace(context, requested=False))
    assert memory.notes == [
        "train 2 images with 3 objects, val 1 image with 1 object",
        "1 note: 1 whole-image-box; +stage=dataset explains them",
    ]
