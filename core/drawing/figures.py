"""Figures of one look, each with a header and without global state. Heavy: imports Matplotlib."""

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
from core.drawing.labels import shortened
from core.drawing.palette import GRID, INK, class_hex

DPI = 110
POINT = 1 / 72
"""Inches."""
MARGIN = 0.12
"""Inches left of the header and above it."""
TITLE, FACTS = 13, 9
"""Sizes of the title and of the facts, points."""
HEADER, LINE = 0.45, 0.19
"""Heights of a header without facts and of a line of facts, inches."""
NARROWEST = 5.0
"""Width of a figure at least, inches."""
SWATCH = 6
"""Side of the square that shows the colour of a class, points."""


def framed(title: str, facts: Sequence[str], width: float, height: float) -> Figure:
    """Return a figure with a header, for axes that Matplotlib lays out.

    Args:
        title: What the figure shows; short enough for one line.
        facts: What it was measured on and with which thresholds; empty ones are left out.
        width: Inches.
        height: Inches of all below the header.
    """
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    share = _add_header(figure, title, facts)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, share), wspace=0.04)
    return figure


def bare(width: float, height: float) -> tuple[Figure, Axes]:
    """Return axes of this size in inches, to be filled and then given to :func:`frame`."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0, 0, 1, 1))


def frame(figure: Figure, axes: Axes, title: str, facts: Sequence[str]) -> None:
    """Put as much room around ``axes`` as its names need, and a header above; see :func:`framed`.

    The axes keep their size. Unlike a layout of Matplotlib this takes one pass over the names.
    """
    inner, outer = axes.bbox.frozen(), _extent(axes).padded(MARGIN * DPI)
    left, bottom = (inner.x0 - outer.x0) / DPI, (inner.y0 - outer.y0) / DPI
    width, height = max(outer.width / DPI, NARROWEST), outer.height / DPI
    figure.set_size_inches(width, height)
    share = _add_header(figure, title, facts)
    size = inner.width / DPI / width, inner.height / DPI / height * share
    axes.set_position((left / width, bottom / height * share, *size))


def _extent(axes: Axes) -> Bbox:
    """The pixels that the axes take with their names and titles."""
    return Bbox.union([axes.bbox, *([box] if (box := axes.get_tightbbox()) else [])])


def _add_header(figure: Figure, title: str, facts: Sequence[str]) -> float:
    """Make the figure higher by its header; return the share of the height below the header."""
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
    """The facts in as few lines as hold them; a fact that is longer than a line is shortened."""
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
    """Title of one of several axes; ``above_legend`` leaves a line for :func:`legend_above`."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=22 if above_legend else 6)


def plain(axes: Axes, x: str, y: str, *, grid: str) -> None:
    """Axis titles, and as few lines as needed.

    Args:
        axes: To be changed.
        x, y: What the axes show, with the unit.
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
    """The legend above the right corner, where no data is."""
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
    """The legend right of the axes.

    Args:
        axes: To be changed.
        entries: What is drawn, and its name.
        title: May be empty.
        style: Of the names, from :class:`core.drawing.fonts.Lettering`.
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
    """Give the scale of colours the look of the axes."""
    bar.set_label(label, fontsize=9.5, color=INK)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(colors=INK, labelsize=8.5, length=0)


def swatches(axes: Axes, numbers: Sequence[int], side: str) -> None:
    """Squares in the colours of classes between the axis and the names at the ticks 0, 1, ...

    Args:
        axes: To be changed.
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
