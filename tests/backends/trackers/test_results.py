from __future__ import annotations

import csv
from pathlib import Path

import pytest

from backends.trackers.results import ResultsFile
from core.kinds.tracker import RunInfo


def started(folder: Path) -> ResultsFile:
    tracker = ResultsFile()
    tracker.start(RunInfo("run", folder, {}))
    return tracker


def test_a_row_an_epoch(tmp_path: Path) -> None:
    tracker = started(tmp_path)
    for epoch in (1, 2):
        tracker.scalars({"train/box_loss": epoch / 3, "lr/weights": 1e-7 * epoch}, epoch)
        lines = (tmp_path / "results.csv").read_text().splitlines()
        assert len(lines) == 1 + epoch
    assert lines == ["epoch,train/box_loss,lr/weights", "1,0.333333,1e-07", "2,0.666667,2e-07"]
    tracker.close()
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_columns_are_all_figures_ever_seen(tmp_path: Path) -> None:
    tracker = started(tmp_path)
    tracker.scalars({"loss": 1.0}, 1)
    tracker.scalars({"map50": 0.5, "loss": 0.9}, 2)
    tracker.scalars({"loss": float("nan")}, 3)
    assert (tmp_path / "results.csv").read_text().splitlines() == ["epoch,loss,map50", "1,1,", "2,0.9,0.5", "3,nan,"]


@pytest.mark.parametrize(("epoch", "kept"), [(4, [1, 2, 3]), (3, [1, 2]), (1, [])])
def test_going_on_from_an_epoch_leaves_each_once(tmp_path: Path, epoch: int, kept: list[int]) -> None:
    first = started(tmp_path)
    for number in (1, 2, 3):
        first.scalars({"loss": number}, number)
    started(tmp_path).scalars({"loss": 9.0, "new": 1.0}, epoch)
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [*kept, epoch]
    assert rows[-1]["loss"] == "9"


def test_a_kill_while_writing_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = started(tmp_path)
    tracker.scalars({"loss": 1.0}, 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backends.trackers.results.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        tracker.scalars({"loss": 2.0}, 2)
    assert (tmp_path / "results.csv").read_text().splitlines() == ["epoch,loss", "1,1"]


def test_a_name_with_a_comma(tmp_path: Path) -> None:
    started(tmp_path).scalars({'a,"b"': 1.0}, 1)
    started(tmp_path).scalars({'a,"b"': 2.0}, 2)
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row['a,"b"'] for row in csv.DictReader(file)] == ["1", "2"]
