"""The confusion matrix as an image. Heavy: imports Matplotlib; no global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.drawing.figures import bare, colour_bar, frame, plain, save, swatches
from core.drawing.fonts import Lettering, class_lettering
from core.drawing.palette import GRID, INK
from core.drawing.text import columns
from core.errors import counted
from core.evaluation.curves import Floats

NUMBERED = 24
"""Up to so many rows have their numbers written into the cells."""
LARGEST = 300
"""Classes that are drawn at most; an image of more would have over 40 million pixels."""
WIDE, NARROW = 0.56, 0.18
"""Side of a cell with numbers and of one without, inches."""
NAMES, SMALL_NAMES = 9.0, 7.0
"""Size of the names beside wide and narrow cells, points."""
BAR = 6.0
"""Longest scale of colours, inches."""
BACKGROUND = "background"


def draw_confusion(
    matrix: NDArray[np.int64],
    numbers: Sequence[int],
    names: Sequence[str],
    target: Path,
    facts: Sequence[str] = (),
) -> Path:
    """Write the confusion matrix as PNG, each column as shares of its sum.

    Args:
        matrix: From :func:`core.evaluation.confusion.confusion_matrix`, its last row and column the background.
        numbers, names: Of the classes.
        target: The file.
        facts: Model, split, number of images and thresholds.
    """
    return save(confusion_figure(matrix, numbers, names, facts), target)


def confusion_figure(
    matrix: NDArray[np.int64], numbers: Sequence[int], names: Sequence[str], facts: Sequence[str] = ()
) -> Figure:
    """Return the figure; see :func:`draw_confusion`. It grows with the number of classes."""
    shares = np.where(matrix > 0, matrix / np.maximum(matrix.sum(axis=0, keepdims=True), 1), np.nan)
    drawn = _drawn(matrix)
    if len(drawn) < len(names):
        facts = [*facts, f"the {counted(len(drawn), 'class')} with the most objects and boxes of {len(names)}"]
    kept = np.append(drawn, len(names))
    matrix, shares = (table[np.ix_(kept, kept)] for table in (matrix, shares))
    lettered = class_lettering([numbers[index] for index in drawn], [names[index] for index in drawn])
    numbered = len(kept) <= NUMBERED
    cell = WIDE if numbered else NARROW
    side = max(cell * len(kept), 3.8)
    figure, axes = bare(side, side)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    plain(
        axes,
        "true class (background: boxes without an object)",
        "predicted class (background: missed objects)",
        grid="",
    )
    _name_rows(axes, lettered, side / len(kept), NAMES if numbered else SMALL_NAMES)
    _rule(axes, len(kept))
    for along in "xy":
        swatches(axes, [numbers[index] for index in drawn], along)
    high = min(1, BAR / side)
    scale = axes.inset_axes((1 + 0.15 / side, 1 - high, 0.2 / side, high))
    colour_bar(figure.colorbar(shown, cax=scale), "share of the true class")
    if numbered:
        _number_cells(axes, shares, matrix)
    frame(figure, axes, "Confusion matrix", facts)
    return figure


def _drawn(matrix: NDArray[np.int64]) -> NDArray[np.intp]:
    """Positions of the classes that are drawn, in their order."""
    classes = len(matrix) - 1
    weights = (matrix.sum(axis=0) + matrix.sum(axis=1))[:classes]
    return np.sort(np.argsort(-weights, kind="stable")[:LARGEST])


def _name_rows(axes: Axes, lettered: Lettering, cell: float, size: float) -> None:
    """Names of rows and columns; those of columns stand upright where they are wider than a cell, in inches."""
    rows = [*lettered.labels, BACKGROUND]
    wide = max(map(columns, rows)) * size * 0.75 / 72 > cell
    places = range(len(rows))
    axes.set_xticks(places, rows, rotation=90 if wide else 0, fontsize=size, **lettered.style)
    axes.set_yticks(places, rows, fontsize=size, **lettered.style)


def _rule(axes: Axes, rows: int) -> None:
    """Lines between the cells."""
    ends = np.array([-0.5, rows - 0.5])
    between = np.arange(rows + 1) - 0.5
    lines = [((place, ends[0]), (place, ends[1])) for place in between]
    lines += [((ends[0], place), (ends[1], place)) for place in between]
    axes.add_collection(LineCollection(lines, colors=GRID, linewidths=0.6), autolim=False)
    axes.spines[:].set_visible(False)


def _number_cells(axes: Axes, shares: Floats, matrix: NDArray[np.int64]) -> None:
    """The share, and below it the count."""
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = float(shares[row, column])
        text = f"{share:.2f}\n{_count(int(matrix[row, column]))}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8, linespacing=1.1)


def _count(number: int) -> str:
    """At most six characters."""
    return str(number) if number < 1_000_000 else f"{number / 1e6:.1f}M"
