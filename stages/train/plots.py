"""Curves of a training run, drawn from its results.csv. Imports Matplotlib."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from core.drawing.figures import framed, legend_above, plain, save, title_axes
from core.drawing.palette import SPLITS

RESULTS = "results.csv"
LOSS = re.compile(r"train/(.+)_loss")
SCORES: Sequence[tuple[str, Mapping[str, str]]] = (
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
    panels = [*_loss_panels(rows[0]), *SCORES]
    lines = math.ceil(len(panels) / 3)
    figure = framed("Training", [counted], 13, 3.75 * lines)
    grid = list(figure.subplots(lines, 3, squeeze=False).flat)
    for axes, (title, columns) in zip(grid, panels, strict=False):
        _panel(axes, title, columns, rows)
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def _loss_panels(columns: Iterable[str]) -> list[tuple[str, Mapping[str, str]]]:
    """Return one panel per loss of the family: the columns ``train/<name>_loss`` and ``val/<name>_loss``."""
    names = [found[1] for column in columns if (found := LOSS.fullmatch(column))]
    return [(f"Loss: {name}", {f"train/{name}_loss": "training", f"val/{name}_loss": "validation"}) for name in names]


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
