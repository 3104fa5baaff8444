"""Curves of an evaluation as images. Heavy: imports Matplotlib; no global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.drawing.figures import framed, legend_right, plain, save
from core.drawing.fonts import class_lettering
from core.drawing.palette import GREY, STRONG, class_hex
from core.errors import counted
from core.evaluation.curves import CONFIDENCES, RECALLS, Curves, Floats

LISTED = 20
"""Up to so many classes have a colour and a place in the legend."""
FREQUENT = 10
"""Of more classes, those with the most objects have."""
WIDTH, HEIGHT = 10.5, 5.6
"""Inches."""
LEFT_TO_RIGHT = "\u200e"
"""Keeps a figure left of a name that is written from right to left."""


def draw_curves(curves: Curves, folder: Path, facts: Sequence[str] = ()) -> list[Path]:
    """Write PR_curve, P_curve, R_curve and F1_curve as PNG.

    Args:
        curves: What is drawn.
        folder: Where the files go.
        facts: Model, split and number of images.
    """
    figures = curve_figures(curves, facts)
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def curve_figures(curves: Curves, facts: Sequence[str] = ()) -> dict[str, Figure]:
    """Return the figures by the names of their files."""
    best = curves.best
    precision = np.where(curves.boxes > 0, curves.precision, np.nan)  # no box: nothing to be right or wrong
    mean_f1 = float(curves.f1.mean(axis=0)[best])
    ap50 = curves.over_recall.mean(axis=1)
    shown = [*facts, "IoU 0.5", f"{len(curves.names)} {'class' if len(curves.names) == 1 else 'classes'} with objects"]
    at_best = f"best mean F1 {mean_f1:.2f} at confidence {CONFIDENCES[best]:.3f}"
    confidence = "confidence threshold"
    lines = _Lines(curves)
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


class _Lines:
    """A line for each class and one for their mean, with the same classes in colour and in the legend of each chart."""

    def __init__(self, curves: Curves) -> None:
        every = range(len(curves.names))
        frequent = np.argsort(-np.array(curves.instances), kind="stable")[:FREQUENT].tolist()
        self._listed = list(every) if len(every) <= LISTED else frequent
        self._others = [index for index in every if index not in self._listed]
        self._numbers = curves.numbers
        self._names = class_lettering(curves.numbers, curves.names)

    def draw(self, axes: Axes, x: Floats, values: Floats, figures: Floats | None = None) -> None:
        """Draw ``values``, and ``figures`` in front of the names."""
        mean = axes.plot(x, _mean(values), color=STRONG, linewidth=3, zorder=4)[0]
        entries = [(mean, _with_figure("all classes", None if figures is None else float(figures.mean())))]
        for index in self._listed:
            line = axes.plot(x, values[index], color=class_hex(self._numbers[index]), linewidth=1.3, zorder=3)[0]
            name = self._names.labels[index]
            entries.append((line, _with_figure(name, None if figures is None else float(figures[index]))))
        grey = [axes.plot(x, values[index], color=GREY, linewidth=0.7, alpha=0.5)[0] for index in self._others]
        entries += [(line, f"the other {counted(len(grey), 'class')}") for line in grey[:1]]
        title = f"the {FREQUENT} classes with the most objects" if grey else ""
        legend_right(axes, entries, title, self._names.style)


def _with_figure(name: str, figure: float | None) -> str:
    return name if figure is None else f"{LEFT_TO_RIGHT if not name.isascii() else ''}{figure:.3f}  {name}"


def _mean(values: Floats) -> Floats:
    """The mean over the classes that have a value."""
    counted = (~np.isnan(values)).sum(axis=0)
    mean: Floats = np.divide(
        np.nansum(values, axis=0), counted, out=np.full(values.shape[1], np.nan), where=counted > 0
    )
    return mean
