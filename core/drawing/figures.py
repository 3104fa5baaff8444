"""Matplotlib figures in one style, with a header and without global state. Heavy: imports Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox, ScaledTranslation

from core.drawing.fonts import TextStyle, lettering
from core.drawing.palette import GRID, INK, class_hex
from core.drawing.text import shortened

DPI = 110
POINT = 1 / 72
"""One point in inches."""
MARGIN = 0.12
"""Margin at the left of the header and above it, inches."""
TITLE, FACTS = 13, 9
"""Font sizes of the title and of the facts, points."""
HEADER, LINE = 0.45, 0.19
"""Heights of a header without facts and of one line of facts, inches."""
MIN_WIDTH = 5.0
"""Minimum width of a figure, inches."""
SWATCH = 6
"""Side of the square in the colour of a class, points."""


def framed(title: str, facts: Sequence[str], width: float, height: float) -> Figure:
    """Return a figure with a header; Matplotlib lays out its axes.

    Args:
        title: Title of one line.
        facts: Data set, model, thresholds and the like, written below the title; empty ones are skipped.
        width: Width in inches.
        height: Height below the header in inches.
    """
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    share = _add_header(figure, title, facts)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, share), wspace=0.04)
    return figure


def bare(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with axes of this size in inches; call :func:`frame` after drawing."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0, 0, 1, 1))


def frame(figure: Figure, axes: Axes, title: str, facts: Sequence[str]) -> None:
    """Enlarge the figure by the space that the tick labels of ``axes`` need, and by a header; see :func:`framed`.

    The axes keep their size. Unlike Matplotlib's layout engines, this measures the labels only once.
    """
    inner, outer = axes.bbox.frozen(), _extent(axes).padded(MARGIN * DPI)
    left, bottom = (inner.x0 - outer.x0) / DPI, (inner.y0 - outer.y0) / DPI
    width, height = max(outer.width / DPI, MIN_WIDTH), outer.height / DPI
    figure.set_size_inches(width, height)
    share = _add_header(figure, title, facts)
    size = inner.width / DPI / width, inner.height / DPI / height * share
    axes.set_position((left / width, bottom / height * share, *size))


def _extent(axes: Axes) -> Bbox:
    """Return the pixels of the axes including labels and titles."""
    return Bbox.union([axes.bbox, *([box] if (box := axes.get_tightbbox()) else [])])


def _add_header(figure: Figure, title: str, facts: Sequence[str]) -> float:
    """Add a header to the top of the figure; return the share of the height below the header."""
    style = lettering([*facts, "…·"])
    lines = _lines(figure, [fact for fact in style.labels[:-1] if fact], style.style)
    width, height = figure.get_size_inches()
    total = height + HEADER + LINE * len(lines)
    figure.set_size_inches(width, total)
    x = MARGIN / width
    figure.text(x, 1 - MARGIN / total, title, va="top", fontsize=TITLE, fontweight="bold", color=INK)
    for number, line in enumerate(lines):
        y = 1 - (0.40 + LINE * number) / total
        figure.text(x, y, line, va="top", fontsize=FACTS, color=INK, **style.style)
    return float(height / total)


def _lines(figure: Figure, facts: Sequence[str], style: TextStyle) -> list[str]:
    """Return the facts joined into as few lines as possible; a fact longer than a line is shortened."""
    probe = figure.text(0, 0, "", fontsize=FACTS, **style)
    room = (figure.get_figwidth() - 2 * MARGIN) * DPI

    def fits(text: str) -> bool:
        probe.set_text(text)
        return probe.get_window_extent().width <= room

    lines: list[str] = []
    for fact in facts:
        short = shortened(fact, fits)
        if lines and fits(f"{lines[-1]} · {short}"):
            lines[-1] = f"{lines[-1]} · {short}"
        else:
            lines.append(short)
    probe.remove()
    return lines


def title_axes(axes: Axes, title: str, *, above_legend: bool = False) -> None:
    """Set the title of one of several axes; ``above_legend`` leaves a line for :func:`legend_above`."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=22 if above_legend else 6)


def plain(axes: Axes, x: str, y: str, *, grid: str) -> None:
    """Set axis titles and remove unneeded lines.

    Args:
        axes: The axes to style.
        x, y: Axis titles with units.
        grid: ``x``, ``y``, ``both``, or empty for none.
    """
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.tick_params(colors=INK, labelsize=8.5, length=0, pad=6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]


def legend_above(axes: Axes, entries: int) -> Legend:
    """Add a legend of one row above the upper right corner, outside the data."""
    return axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.3,
        ncols=entries,
        borderpad=0,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


def legend_right(axes: Axes, entries: Sequence[tuple[Artist, str]], title: str, style: TextStyle) -> None:
    """Add a legend at the right of the axes.

    Args:
        axes: The axes to style.
        entries: Artists and their names.
        title: Title of the legend; may be empty.
        style: Style of the names, from :class:`core.drawing.fonts.Lettering`.
    """
    legend = axes.legend(
        [artist for artist, _ in entries],
        [name for _, name in entries],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        title=title or None,
        title_fontsize=9,
        alignment="left",
    )
    for text in legend.get_texts():
        text.set(**style)


def colour_bar(bar: Colorbar, label: str) -> None:
    """Style a colour bar like the axes."""
    bar.set_label(label, fontsize=9.5, color=INK)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(colors=INK, labelsize=8.5, length=0)


def swatches(axes: Axes, numbers: Sequence[int], side: str) -> None:
    """Add squares in the colours of classes between the axis and its tick labels 0, 1, ...

    Args:
        axes: The axes to style.
        numbers: Class ids.
        side: ``x`` or ``y``.
    """
    places, edge = np.arange(len(numbers)), np.zeros(len(numbers))
    gap = (SWATCH / 2 + 2) * POINT
    along_y = side == "y"
    shift = ScaledTranslation(-gap if along_y else 0, 0 if along_y else -gap, axes.figure.dpi_scale_trans)
    transform = (axes.get_yaxis_transform() if along_y else axes.get_xaxis_transform()) + shift
    x, y = (edge, places) if along_y else (places, edge)
    colours = [class_hex(number) for number in numbers]
    axes.scatter(x, y, SWATCH**2, colours, marker="s", transform=transform, clip_on=False, linewidths=0)
    axes.tick_params(axis=side, pad=SWATCH + 4)  # type: ignore[arg-type]


def save(figure: Figure, target: Path) -> Path:
    """Write the figure as PNG."""
    figure.savefig(target)
    return target
