"""Curves of a training, drawn from its results.csv. Imports Matplotlib."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.drawing.figures import framed, legend_above, plain, save, title_axes
from core.drawing.palette import SPLITS

RESULTS = "results.csv"
PANELS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("Box loss", {"train/box_loss": "training", "val/box_loss": "validation"}),
    ("Objectness loss", {"train/obj_loss": "training", "val/obj_loss": "validation"}),
    ("Class loss", {"train/cls_loss": "training", "val/cls_loss": "validation"}),
    ("mAP on the validation split", {"metrics/map50": "mAP50", "metrics/map50_95": "mAP50-95"}),
    ("Precision and recall", {"metrics/precision": "P", "metrics/recall": "R"}),
    ("Learning rate", {"lr/weights": "weights", "lr/biases": "biases"}),
)
COLOURS = (SPLITS["train"], SPLITS["val"])


def draw_training(folder: Path) -> list[Path]:
    """Draw ``results.png`` from ``results.csv``; return no path if the file is missing or has no rows."""
    source = folder / RESULTS
    if not source.is_file():
        return []
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    return [save(training_figure(rows), folder / "results.png")]


def training_figure(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Return the figure for the rows of results.csv, at least one."""
    epochs = [int(row["epoch"]) for row in rows]
    counted = "1 epoch" if len(rows) == 1 else f"epochs {min(epochs)} to {max(epochs)}"
    figure = framed("Training", [counted], 13, 7.5)
    for axes, (title, columns) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        _panel(axes, title, columns, rows)
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    return figure


def _panel(axes: Axes, title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> None:
    for colour, (column, label) in zip(COLOURS, columns.items(), strict=False):
        points = [(int(row["epoch"]), float(row[column])) for row in rows if row.get(column)]
        if points:
            marker = "o" if len(points) < 30 else ""
            axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=marker, markersize=3)
    title_axes(axes, title, above_legend=True)
    plain(axes, "epoch", "", grid="both")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if len(columns) > 1 and axes.lines:
        legend_above(axes, len(columns))
