"""Charts of an evaluation: curves and the confusion matrix. Heavy: imports Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.drawing.figures import bare, colour_bar, frame, framed, legend_right, plain, save, swatches
from core.drawing.fonts import Lettering, class_lettering
from core.drawing.palette import GREY, GRID, INK, STRONG, class_hex
from core.drawing.text import columns
from core.errors import counted
from core.evaluation.curves import CONFIDENCES, RECALLS, Curves, Floats

MAX_COLOURED = 20
"""Maximum number of classes for which each has a colour and a legend entry."""
MOST_FREQUENT = 10
"""Number of classes with a colour and a legend entry if there are more; the others are grey."""
WIDTH, HEIGHT = 10.5, 5.6
"""Inches."""
LEFT_TO_RIGHT = "\u200e"
"""Unicode mark that keeps a number at the left of a right-to-left name."""


def draw_curves(curves: Curves, folder: Path, facts: Sequence[str] = ()) -> list[Path]:
    """Write PR_curve, P_curve, R_curve and F1_curve as PNG.

    Args:
        curves: The curves.
        folder: Output folder.
        facts: Model, split and number of images.
    """
    figures = curve_figures(curves, facts)
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def curve_figures(curves: Curves, facts: Sequence[str] = ()) -> dict[str, Figure]:
    """Return the figures by file name without suffix."""
    best = curves.best
    precision = np.where(curves.boxes > 0, curves.precision, np.nan)  # undefined without boxes
    mean_f1 = float(curves.f1.mean(axis=0)[best])
    ap50 = curves.over_recall.mean(axis=1)
    shown = [*facts, "IoU 0.5", f"{counted(len(curves.names), 'class')} with objects"]
    at_best = f"best mean F1 {mean_f1:.2f} at confidence {CONFIDENCES[best]:.3f}"
    confidence = "confidence threshold"
    lines = _ClassLines(curves)
    recalled = _curves("Precision over recall", [*shown, f"mAP50 {ap50.mean():.3f}"], "recall", "precision")
    lines.draw(recalled.axes[0], RECALLS, curves.over_recall, ap50)
    precise = _curves("Precision over confidence", shown, confidence, "precision")
    lines.draw(precise.axes[0], CONFIDENCES, precision)
    recall = _curves("Recall over confidence", shown, confidence, "recall")
    lines.draw(recall.axes[0], CONFIDENCES, curves.recall)
    f1 = _curves("F1 over confidence", [*shown, at_best], confidence, "F1")
    lines.draw(f1.axes[0], CONFIDENCES, curves.f1)
    f1.axes[0].plot(CONFIDENCES[best], mean_f1, "o", color=STRONG, markersize=7, zorder=5)
    f1.axes[0].axvline(CONFIDENCES[best], color=STRONG, linewidth=0.8, linestyle=":")
    return {"PR_curve": recalled, "P_curve": precise, "R_curve": recall, "F1_curve": f1}


def _curves(title: str, facts: Sequence[str], across: str, up: str) -> Figure:
    figure = framed(title, facts, WIDTH, HEIGHT)
    axes = figure.subplots()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    plain(axes, across, up, grid="both")
    return figure


class _ClassLines:
    """Draws one line per class and their mean, with the same coloured classes and legend in each chart."""

    def __init__(self, curves: Curves) -> None:
        every = range(len(curves.names))
        frequent = np.argsort(-np.array(curves.instances), kind="stable")[:MOST_FREQUENT].tolist()
        self._coloured = list(every) if len(every) <= MAX_COLOURED else frequent
        self._others = [index for index in every if index not in self._coloured]
        self._numbers = curves.numbers
        self._names = class_lettering(curves.numbers, curves.names)

    def draw(self, axes: Axes, x: Floats, values: Floats, figures: Floats | None = None) -> None:
        """Draw ``values``; ``figures`` are numbers per class before the names in the legend."""
        mean = axes.plot(x, _mean(values), color=STRONG, linewidth=3, zorder=4)[0]
        entries = [(mean, _with_figure("all classes", None if figures is None else float(figures.mean())))]
        for index in self._coloured:
            line = axes.plot(x, values[index], color=class_hex(self._numbers[index]), linewidth=1.3, zorder=3)[0]
            name = self._names.labels[index]
            entries.append((line, _with_figure(name, None if figures is None else float(figures[index]))))
        grey = [axes.plot(x, values[index], color=GREY, linewidth=0.7, alpha=0.5)[0] for index in self._others]
        entries += [(line, f"the other {counted(len(grey), 'class')}") for line in grey[:1]]
        title = f"the {MOST_FREQUENT} classes with the most objects" if grey else ""
        legend_right(axes, entries, title, self._names.style)


def _with_figure(name: str, figure: float | None) -> str:
    return name if figure is None else f"{LEFT_TO_RIGHT if not name.isascii() else ''}{figure:.3f}  {name}"


def _mean(values: Floats) -> Floats:
    """Return the mean over the classes that have a value."""
    numbers = (~np.isnan(values)).sum(axis=0)
    mean: Floats = np.divide(
        np.nansum(values, axis=0), numbers, out=np.full(values.shape[1], np.nan), where=numbers > 0
    )
    return mean


MAX_NUMBERED = 24
"""Maximum number of rows for which the cells show numbers."""
MAX_CLASSES = 300
"""Maximum number of classes in the matrix; the image of more would have over 40 million pixels."""
WIDE, NARROW = 0.56, 0.18
"""Side of a cell with numbers and without, inches."""
NAMES, SMALL_NAMES = 9.0, 7.0
"""Font size of the names at wide and narrow cells, points."""
BAR = 6.0
"""Maximum height of the colour bar, inches."""
BACKGROUND = "background"


def draw_confusion(
    matrix: NDArray[np.int64],
    numbers: Sequence[int],
    names: Sequence[str],
    target: Path,
    facts: Sequence[str] = (),
) -> Path:
    """Write the confusion matrix as PNG; each column is normalized by its sum.

    Args:
        matrix: Result of :func:`core.evaluation.confusion.confusion_matrix`; last row and column are the background.
        numbers, names: Ids and names of the classes.
        target: Output file.
        facts: Model, split, number of images and thresholds.
    """
    return save(confusion_figure(matrix, numbers, names, facts), target)


def confusion_figure(
    matrix: NDArray[np.int64], numbers: Sequence[int], names: Sequence[str], facts: Sequence[str] = ()
) -> Figure:
    """Return the figure of :func:`draw_confusion`; its size grows with the number of classes."""
    shares = np.where(matrix > 0, matrix / np.maximum(matrix.sum(axis=0, keepdims=True), 1), np.nan)
    drawn = _drawn(matrix)
    if len(drawn) < len(names):
        facts = [*facts, f"the {counted(len(drawn), 'class')} with the most objects and boxes of {len(names)}"]
    kept = np.append(drawn, len(names))
    matrix, shares = (table[np.ix_(kept, kept)] for table in (matrix, shares))
    lettered = class_lettering([numbers[index] for index in drawn], [names[index] for index in drawn])
    numbered = len(kept) <= MAX_NUMBERED
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
    """Return the indices of the classes to draw: those with the most objects and boxes, in order."""
    classes = len(matrix) - 1
    weights = (matrix.sum(axis=0) + matrix.sum(axis=1))[:classes]
    return np.sort(np.argsort(-weights, kind="stable")[:MAX_CLASSES])


def _name_rows(axes: Axes, lettered: Lettering, cell: float, size: float) -> None:
    """Set the names of rows and columns; names of columns wider than a cell (in inches) are rotated."""
    rows = [*lettered.labels, BACKGROUND]
    wide = max(map(columns, rows)) * size * 0.75 / 72 > cell
    places = range(len(rows))
    axes.set_xticks(places, rows, rotation=90 if wide else 0, fontsize=size, **lettered.style)
    axes.set_yticks(places, rows, fontsize=size, **lettered.style)


def _rule(axes: Axes, rows: int) -> None:
    """Draw lines between the cells."""
    ends = np.array([-0.5, rows - 0.5])
    between = np.arange(rows + 1) - 0.5
    lines = [((place, ends[0]), (place, ends[1])) for place in between]
    lines += [((ends[0], place), (ends[1], place)) for place in between]
    axes.add_collection(LineCollection(lines, colors=GRID, linewidths=0.6), autolim=False)
    axes.spines[:].set_visible(False)


def _number_cells(axes: Axes, shares: Floats, matrix: NDArray[np.int64]) -> None:
    """Write the share, and the count below it, into each cell."""
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = float(shares[row, column])
        text = f"{share:.2f}\n{_count(int(matrix[row, column]))}"
        colour = "white" if share > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8, linespacing=1.1)


def _count(number: int) -> str:
    """Return the number in at most six characters."""
    return str(number) if number < 1_000_000 else f"{number / 1e6:.1f}M"
