"""Curves of a training, drawn from its results.csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

RESULTS = "results.csv"
PANELS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("Box loss", {"train/box_loss": "training", "val/box_loss": "validation"}),
    ("Objectness loss", {"train/obj_loss": "training", "val/obj_loss": "validation"}),
    ("Class loss", {"train/cls_loss": "training", "val/cls_loss": "validation"}),
    ("mAP on the validation split", {"metrics/map50": "mAP50", "metrics/map50_95": "mAP50-95"}),
    ("Precision and recall", {"metrics/precision": "P", "metrics/recall": "R"}),
    ("Learning rate", {"lr/weights": "weights", "lr/biases": "biases"}),
)
COLOURS = ("#1f6feb", "#d1570c")


def draw_training(folder: Path) -> list[Path]:
    """Draw ``results.png`` from ``results.csv``; nothing where there is no such file or it has no rows."""
    source = folder / RESULTS
    if not source.is_file():
        return []
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, columns) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        _panel(axes, title, columns, rows)
    target = folder / "results.png"
    figure.savefig(target, dpi=110)
    return [target]


def _panel(axes: Axes, title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> None:
    for colour, (column, label) in zip(COLOURS, columns.items(), strict=False):
        points = [(int(row["epoch"]), float(row[column])) for row in rows if row.get(column)]
        if points:
            marker = "o" if len(points) < 30 else ""
            axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=marker, markersize=3)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(columns) > 1 and axes.lines:
        axes.legend(frameon=False, fontsize=9)
