from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stages.train.plots import SCORES, draw_training, training_figure
from tests.support.chart_tools import assert_readable

LOSSES = [f"{split}/{name}_loss" for name in ("box", "obj", "cls") for split in ("train", "val")]
COLUMNS = [*LOSSES, *(column for _, columns in SCORES for column in columns)]


def rows_of(count: int, scale: float = 1.0) -> list[dict[str, str]]:
    return [{"epoch": str(epoch)} | dict.fromkeys(COLUMNS, str(scale / epoch)) for epoch in range(1, count + 1)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 3, 300])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 12_345.0])
def test_any_number_of_epochs_can_be_read(count: int, scale: float) -> None:
    figure = training_figure(rows_of(count, scale))
    assert_readable(figure)
    ticks = [tick for axes in figure.axes for tick in axes.get_xticks()]
    assert all(tick == round(tick) for tick in ticks)


def test_the_file(tmp_path: Path) -> None:
    assert draw_training(tmp_path) == []
    with (tmp_path / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *COLUMNS])
        writer.writeheader()
        assert draw_training(tmp_path) == []
        writer.writerows(rows_of(3))
    assert [path.name for path in draw_training(tmp_path)] == ["results.png"]


@pytest.mark.parametrize("losses", [["iou", "dfl"], ["iou"], ["a", "b", "c", "d"], []])
def test_the_losses_of_any_family_have_a_panel(losses: list[str]) -> None:
    rows = [{"epoch": str(epoch), "metrics/map50": "0.5"} for epoch in (1, 2)]
    for row in rows:
        row |= {f"{split}/{name}_loss": "0.1" for name in losses for split in ("train", "val")}
    drawn = [axes.get_title(loc="left") or axes.get_title() for axes in training_figure(rows).axes if axes.lines]
    assert drawn == [*(f"Loss: {name}" for name in losses), "mAP on the validation split"]
