"""The charts of the report. Heavy: imports Matplotlib; each chart is a figure of its own, without global state."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from core.drawing.text import drawable
from stages.dataset.numbers import ClassNumbers
from stages.dataset.tally import Tally

COLOURS = {"train": "#3a6ea5", "val": "#e08a2e", "test": "#4f9d69"}
INK, GRID = "#2b2f36", "#dfe3e8"
SCRIPTS = {"Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari", "WenQuanYi Zen Hei"}
DENSITY = "magma_r"
DPI = 110
ROWS = 27
"""Classes in one column of bars."""
COLUMNS = 4
"""Columns of bars at most; the classes beyond have their numbers in report.json."""
NAME_LENGTH = 18
CELLS = (20, 64)
"""Cells along one side of a density: fewer for few objects, so that neighbours add up."""
ASPECTS = np.array([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])


def class_balance(classes: Sequence[ClassNumbers], target: Path) -> None:
    """Bars of objects a class and split, the most frequent class first."""
    ordered = sorted(classes, key=lambda item: (-sum(item.objects.values()), item.index))
    shown = ordered[: ROWS * COLUMNS]
    columns = [shown[start : start + ROWS] for start in range(0, len(shown), ROWS)]
    rows = max(map(len, columns))
    figure = Figure(
        figsize=(1.2 + max(4.2 * len(columns), 6.4), 1.3 + 0.26 * max(rows, 4)), layout="constrained", dpi=DPI
    )
    title = "Objects of each class"
    if len(shown) < len(ordered):
        title += f" (the {len(shown)} most frequent of {len(ordered)})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    most = max((max(item.objects.values()) for item in shown), default=0)
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        _bars(axes, column, rows, most)
    _legend(figure.axes[len(columns) - 1])
    _save(figure, target)


def _bars(axes: Axes, classes: Sequence[ClassNumbers], rows: int, most: int) -> None:
    splits = list(classes[0].objects)
    thickness = 0.82 / len(splits)
    places = np.arange(len(classes))
    for index, split in enumerate(splits):
        values = [item.objects[split] for item in classes]
        offset = (index - (len(splits) - 1) / 2) * thickness
        axes.barh(places + offset, values, thickness, color=COLOURS.get(split, INK), label=split)
    names = [_short(item.name) for item in classes]
    axes.set_yticks(places, names, fontsize=8.5, parse_math=False, fontfamily=_families())
    axes.set_ylim(max(rows, 3) - 0.5, -0.6)
    axes.set_xscale("symlog", linthresh=10) if most > 200 else axes.set_xscale("linear")
    axes.set_xlim(0, max(most, 1) * 1.15)
    if most <= 200:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    else:
        ticks = [tick for tick in (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000) if tick <= most]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
    _plain(axes, "objects" + (" (logarithmic above 10)" if most > 200 else ""), "", grid="x")


def box_shapes(tallies: Mapping[str, Tally], target: Path) -> None:
    """Width and height of boxes, their sizes in pixels, and their aspect ratios."""
    figure = Figure(figsize=(14, 4.4), layout="constrained", dpi=DPI)
    density, sizes, aspects = figure.subplots(1, 3)
    boxes = np.concatenate([tally.boxes for tally in tallies.values()])
    _density(figure, density, boxes[:, 2], boxes[:, 3], "Width and height of boxes")
    _plain(density, "width / picture width", "height / picture height", grid="")
    edges = np.geomspace(4, 1024, 33)
    for split, tally in tallies.items():
        _step(sizes, np.sqrt(tally.pixels.prod(axis=1)), edges, split)
        width, height = np.maximum(tally.pixels, 1e-3).T
        _step(aspects, width / height, np.geomspace(1 / 8, 8, 33), split)
    for bound in (32, 96):
        sizes.axvline(bound, color=INK, linewidth=0.8, linestyle=":")
    _logarithmic(sizes, [4, 8, 16, 32, 64, 128, 256, 512, 1024], [str(2**power) for power in range(2, 11)])
    _titled(sizes, "Size of boxes")
    _plain(sizes, "√area, pixels (dotted: COCO's small | medium | large)", "share of objects", grid="y")
    _logarithmic(aspects, ASPECTS.tolist(), ["1:8", "1:4", "1:2", "1:1", "2:1", "4:1", "8:1"])
    _titled(aspects, "Aspect ratio of boxes")
    _plain(aspects, "width : height", "share of objects", grid="y")
    _legend(aspects)
    _save(figure, target)


def box_centres(tallies: Mapping[str, Tally], target: Path) -> None:
    """Where in the picture objects are, and how many a picture has."""
    figure = Figure(figsize=(11, 4.6), layout="constrained", dpi=DPI)
    centres, numbers = figure.subplots(1, 2)
    boxes = np.concatenate([tally.boxes for tally in tallies.values()])
    _density(figure, centres, boxes[:, 0], boxes[:, 1], "Centres of boxes")
    centres.invert_yaxis()
    _plain(centres, "x / picture width", "y / picture height", grid="")
    most = max((int(np.bincount(tally.owners).max(initial=0)) for tally in tallies.values()), default=0)
    edges = np.arange(0, most + 2, max(1, round(most / 40))) - 0.5
    for split, tally in tallies.items():
        counts = np.bincount(tally.owners, minlength=tally.pictures)
        _step(numbers, counts, np.append(edges, edges[-1] + max(1, round(most / 40))), split)
    numbers.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _titled(numbers, "Objects in a picture")
    _plain(numbers, "objects", "share of pictures", grid="y")
    _legend(numbers)
    _save(figure, target)


def _density(figure: Figure, axes: Axes, x: NDArray[np.float32], y: NDArray[np.float32], title: str) -> None:
    """How many objects fall into each cell of the unit square, on a logarithmic scale of colours."""
    side = int(np.clip(0.7 * len(x) ** 0.5, *CELLS))
    cells, _, _ = np.histogram2d(np.clip(x, 0, 1), np.clip(y, 0, 1), side, ((0, 1), (0, 1)))
    norm = LogNorm(1, max(float(cells.max()), 2))
    shown = np.ma.masked_less(cells.T, 1)
    image = axes.imshow(shown, DENSITY, norm=norm, origin="lower", extent=(0, 1, 0, 1), interpolation="nearest")
    bar = figure.colorbar(
        image, ax=axes, shrink=0.9, format=FuncFormatter(_count), ticks=_decades(float(norm.vmax or 1))
    )
    bar.set_label("objects in a cell", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(colors=INK, labelsize=8.5)
    _titled(axes, title)


def _decades(most: float) -> list[float]:
    """1, 10, 100, ... and the largest, where it is not too close to the one before."""
    decades = [10.0**power for power in range(int(np.log10(most)) + 1)]
    return [*decades, most] if most > 1.5 * decades[-1] else decades


def _count(value: float, _position: int | None) -> str:
    return f"{value:,.0f}"


def _step(
    axes: Axes, values: NDArray[np.floating] | NDArray[np.integer], edges: NDArray[np.float64], split: str
) -> None:
    """A histogram in shares; what lies beyond the ends counts in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = counts / max(len(values), 1)
    colour = COLOURS.get(split, INK)
    axes.stairs(shares, edges, color=colour, linewidth=1.6, label=split)
    axes.stairs(shares, edges, color=colour, alpha=0.15, fill=True)


def _logarithmic(axes: Axes, ticks: Sequence[float], names: Sequence[str]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xticks(ticks, names)
    axes.minorticks_off()


def _legend(axes: Axes) -> None:
    """Above the right corner, where no data is."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=len(COLOURS), borderpad=0, frameon=False, fontsize=9
    )


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)


def _plain(axes: Axes, x: str, y: str, *, grid: str) -> None:
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)
    axes.set_axisbelow(True)
    if grid == "x":
        axes.xaxis.grid(visible=True, color=GRID, linewidth=0.8)
    elif grid == "y":
        axes.yaxis.grid(visible=True, color=GRID, linewidth=0.8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _families() -> list[str]:
    """The standard font, and those for other scripts that this machine has."""
    return ["DejaVu Sans", *sorted(SCRIPTS.intersection(fontManager.get_font_names()))]


def _short(name: str) -> str:
    shown = drawable(name)
    return shown if len(shown) <= NAME_LENGTH else shown[: NAME_LENGTH - 1] + "…"


def _save(figure: Figure, target: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names stand in the page's table, too
        figure.savefig(target)
