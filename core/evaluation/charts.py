"""Curves and the confusion matrix as pictures. Heavy: imports Matplotlib; no global state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.drawing.boxes import class_colour
from core.drawing.text import drawable
from core.evaluation.curves import CONFIDENCES, RECALLS, Curves, Floats

INK, GRID, GREY, ALL = "#2b2f36", "#dfe3e8", "#9aa4b2", "#10151c"
DPI = 110
LISTED = 20
"""Up to so many classes have a colour and a place in the legend."""
NUMBERED = 24
"""Up to so many rows of a confusion matrix have their numbers written into the cells."""
TICKS = 120
"""Rows of a confusion matrix that are named at most."""
NAME_LENGTH = 18
BACKGROUND = "background"


def draw_curves(curves: Curves, folder: Path) -> list[Path]:
    """Write PR_curve, P_curve, R_curve and F1_curve as PNG."""
    best = curves.best
    precision = np.where(curves.boxes > 0, curves.precision, np.nan)  # no box: nothing to be right or wrong
    mean_f1 = float(curves.f1.mean(axis=0)[best])
    drawn = [
        ("PR_curve", RECALLS, curves.over_recall, "recall", "precision", curves.over_recall.mean(axis=1)),
        ("P_curve", CONFIDENCES, precision, "confidence", "precision", None),
        ("R_curve", CONFIDENCES, curves.recall, "confidence", "recall", None),
        ("F1_curve", CONFIDENCES, curves.f1, "confidence", "F1", None),
    ]
    titles = {
        "PR_curve": f"Precision over recall: mAP50 {curves.over_recall.mean():.3f}",
        "P_curve": "Precision over confidence",
        "R_curve": "Recall over confidence",
        "F1_curve": f"F1 over confidence: {mean_f1:.2f} at {CONFIDENCES[best]:.3f}",
    }
    paths = []
    for name, x, values, across, up, figures in drawn:
        figure, axes = _framed(titles[name], across, up)
        _lines(axes, x, values, curves.names, figures)
        if name == "F1_curve":
            axes.plot(CONFIDENCES[best], mean_f1, "o", color=ALL, markersize=7, zorder=5)
            axes.axvline(CONFIDENCES[best], color=ALL, linewidth=0.8, linestyle=":")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9, labelcolor=INK)
        paths.append(_saved(figure, folder / f"{name}.png"))
    return paths


def _framed(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 5.6), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK)
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    return figure, axes


def _lines(axes: Axes, x: Floats, values: Floats, names: Sequence[str], figures: Floats | None) -> None:
    """A line a class, and their mean; ``figures`` are told beside the names."""
    few = len(names) <= LISTED
    for index, (name, row) in enumerate(zip(names, values, strict=True)):
        label = _told(name, None if figures is None else float(figures[index])) if few else None
        blue, green, red = (part / 255 for part in class_colour(index))
        colour = (red, green, blue) if few else GREY
        axes.plot(x, row, color=colour, linewidth=1.2 if few else 0.7, alpha=1 if few else 0.55, label=label)
    if not few:
        axes.plot([], [], color=GREY, linewidth=0.7, label=f"each of {len(names)} classes")
    with np.errstate(invalid="ignore"):
        counted = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    mean = np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0) / counted)
    label = _told("all classes", None if figures is None else float(figures.mean()))
    axes.plot(x, mean, color=ALL, linewidth=3, label=label)


def _told(name: str, figure: float | None) -> str:
    escaped = _short(name).replace("$", r"\$")
    return escaped if figure is None else f"{escaped} {figure:.3f}"


def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str], target: Path) -> Path:
    """Write the confusion matrix as PNG, each column as shares of its sum.

    Args:
        matrix: From :func:`core.evaluation.confusion.confusion_matrix`.
        names: Class names.
        target: The file.
    """
    sums = matrix.sum(axis=0, keepdims=True)
    shares = np.where(matrix > 0, matrix / np.maximum(sums, 1), np.nan)
    rows = [*map(_short, names), BACKGROUND]
    side = min(max(5.0, 0.19 * len(rows) + 1.5), 24.0) if len(rows) > NUMBERED else max(5.0, 0.55 * len(rows) + 1.5)
    figure = Figure(figsize=(side + 2.2, side + 1.2), layout="constrained", dpi=DPI)
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=INK, length=0, labelsize=9)
    axes.set_title("Confusion matrix", loc="left", fontsize=13, fontweight="bold", color=INK)
    axes.set_xlabel("true class (shares of each column)", color=INK)
    axes.set_ylabel("predicted class", color=INK)
    _name_rows(axes, rows)
    if len(rows) <= NUMBERED:
        _number_cells(axes, shares, matrix)
    return _saved(figure, target)


def _name_rows(axes: Axes, rows: Sequence[str]) -> None:
    step = math.ceil(len(rows) / TICKS)
    places = list(range(0, len(rows), step))
    size = 9.5 if len(rows) <= NUMBERED else 7
    shown = [rows[place] for place in places]
    axes.set_xticks(places, shown, rotation=90 if len(rows) > 6 else 0, fontsize=size, color=INK, parse_math=False)
    axes.set_yticks(places, shown, fontsize=size, color=INK, parse_math=False)
    axes.set_xticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _number_cells(axes: Axes, shares: Floats, matrix: NDArray[np.int64]) -> None:
    """The share, and below it the count."""
    size = 11 if len(matrix) <= 8 else 8
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = float(shares[row, column])
        text = f"{share:.2f}\n{matrix[row, column]}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size, linespacing=1.1)


def _short(name: str) -> str:
    shown = drawable(name)
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def _saved(figure: Figure, target: Path) -> Path:
    FigureCanvasAgg(figure)
    figure.savefig(target)
    return target
