"""Charts of the report. Heavy: imports Matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from core.drawing.figures import colour_bar, framed, legend_above, plain, save, swatches, title_axes
from core.drawing.fonts import class_lettering
from core.drawing.palette import INK, SPLITS
from core.errors import counted
from stages.dataset.split_statistics import SplitStatistics
from stages.dataset.statistics import ClassNumbers, by_frequency

DENSITY = "magma_r"
ROWS = 27
"""Classes per column of bars while there are fewer than ``MAX_COLUMNS`` columns."""
MAX_COLUMNS = 4
MAX_ROWS = 100
"""Maximum number of classes per column of bars; report.json has the numbers of further classes."""
MAX_LINEAR = 200
"""Maximum number of objects per class for a linear scale; it is logarithmic above."""
LINEAR_UP_TO = 10
"""Number of objects up to which a logarithmic scale is linear."""
CELLS = (20, 64)
"""Minimum and maximum number of cells per side of a density map; it grows with the number of objects."""
ASPECTS = np.array([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])


def class_balance(classes: Sequence[ClassNumbers], target: Path) -> None:
    """Draw the number of objects by class and split as bars, most frequent class first."""
    save(class_figure(classes), target)


def class_figure(classes: Sequence[ClassNumbers]) -> Figure:
    """Return the figure of :func:`class_balance`; its size grows with the number of classes."""
    ordered = by_frequency(classes)
    shown = ordered[: MAX_ROWS * MAX_COLUMNS]
    rows = max(ROWS, math.ceil(len(shown) / MAX_COLUMNS))
    columns = [shown[start : start + rows] for start in range(0, len(shown), rows)]
    rows = max(map(len, columns))
    facts = [_totals(classes), f"the {len(shown)} most frequent classes" if len(shown) < len(ordered) else ""]
    figure = framed("Objects per class", facts, 1.2 + max(4.4 * len(columns), 6.4), 1.1 + 0.26 * max(rows, 4))
    most = max((max(item.objects.values()) for item in shown), default=0)
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        _bars(axes, column, rows, most)
    legend_above(figure.axes[-1], len(SPLITS))
    return figure


def _totals(classes: Sequence[ClassNumbers]) -> str:
    objects = sum(sum(item.objects.values()) for item in classes)
    empty = sum(not any(item.objects.values()) for item in classes)
    totals = f"{counted(objects, 'object')} of {counted(len(classes), 'class')}"
    return f"{totals}, {empty} without objects" if empty else totals


def _bars(axes: Axes, classes: Sequence[ClassNumbers], rows: int, most: int) -> None:
    splits = list(classes[0].objects)
    thickness = 0.82 / len(splits)
    places = np.arange(len(classes))
    for index, split in enumerate(splits):
        values = [item.objects[split] for item in classes]
        offset = (index - (len(splits) - 1) / 2) * thickness
        axes.barh(places + offset, values, thickness, color=SPLITS.get(split, INK), label=split)
    numbers = [item.index for item in classes]
    lettered = class_lettering(numbers, [item.name for item in classes])
    scale = f"objects (logarithmic above {LINEAR_UP_TO})" if most > MAX_LINEAR else "objects"
    plain(axes, scale, "", grid="x")
    axes.set_yticks(places, lettered.labels, **lettered.style)
    axes.set_ylim(max(rows, 3) - 0.5, -0.6)
    axes.set_xscale("symlog", linthresh=LINEAR_UP_TO) if most > MAX_LINEAR else axes.set_xscale("linear")
    axes.set_xlim(0, max(most, 1) * 1.15)
    if most <= MAX_LINEAR:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    else:
        ticks = [0, *(10**power for power in range(1, 10) if 10**power <= most)]
        axes.set_xticks(ticks, [_short_count(tick) for tick in ticks])
        axes.minorticks_off()
    swatches(axes, numbers, "y")


def _short_count(number: int) -> str:
    """Return a short form such as 100, 10k or 1M."""
    for unit, name in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number // unit}{name}"
    return str(number)


def box_shapes(statistics: Mapping[str, SplitStatistics], target: Path) -> None:
    """Draw width and height of boxes, their sizes in pixels, and their aspect ratios."""
    save(shape_figure(statistics), target)


def shape_figure(statistics: Mapping[str, SplitStatistics]) -> Figure:
    """Return the figure of :func:`box_shapes`."""
    figure = framed("Sizes of boxes", _counted(statistics), 14, 4.4)
    density, sizes, aspects = figure.subplots(1, 3)
    boxes = np.concatenate([stats.boxes for stats in statistics.values()])
    _density(figure, density, boxes[:, 2], boxes[:, 3], "Width and height, all splits")
    plain(density, "box width / image width", "box height / image height", grid="")
    edges = np.geomspace(4, 1024, 33)
    for split, stats in statistics.items():
        _step(sizes, np.sqrt(stats.pixels.prod(axis=1)), edges, split)
        width, height = np.maximum(stats.pixels, 1e-3).T
        _step(aspects, width / height, np.geomspace(1 / 8, 8, 33), split)
    for bound in (32, 96):
        sizes.axvline(bound, color=INK, linewidth=0.8, linestyle=":")
    _logarithmic(sizes, [4, 8, 16, 32, 64, 128, 256, 512, 1024], [str(2**power) for power in range(2, 11)])
    title_axes(sizes, "Size")
    _shares(sizes, "√area, pixels (dotted: COCO's small | medium | large)", "share of objects")
    _logarithmic(aspects, ASPECTS.tolist(), ["1:8", "1:4", "1:2", "1:1", "2:1", "4:1", "8:1"])
    title_axes(aspects, "Aspect ratio")
    _shares(aspects, "width : height", "share of objects")
    legend_above(aspects, len(SPLITS))
    return figure


def box_centres(statistics: Mapping[str, SplitStatistics], target: Path) -> None:
    """Draw the positions of boxes in the image, and the number of objects per image."""
    save(centre_figure(statistics), target)


def centre_figure(statistics: Mapping[str, SplitStatistics]) -> Figure:
    """Return the figure of :func:`box_centres`."""
    figure = framed("Positions of boxes", _counted(statistics), 11, 4.6)
    centres, numbers = figure.subplots(1, 2)
    boxes = np.concatenate([stats.boxes for stats in statistics.values()])
    _density(figure, centres, boxes[:, 0], boxes[:, 1], "Centres of boxes")
    centres.invert_yaxis()
    plain(centres, "x / image width", "y / image height", grid="")
    most = max((int(np.bincount(stats.owners).max(initial=0)) for stats in statistics.values()), default=0)
    width = max(1, round(most / 40))
    edges = np.arange(0, most + 2 + width, width, dtype=np.float64) - 0.5
    for split, stats in statistics.items():
        counts = np.bincount(stats.owners, minlength=stats.pictures)
        _step(numbers, counts, edges, split)
    numbers.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    title_axes(numbers, "Objects per image")
    _shares(numbers, "objects", "share of images")
    legend_above(numbers, len(SPLITS))
    return figure


def _counted(statistics: Mapping[str, SplitStatistics]) -> list[str]:
    return [
        f"{split}: {counted(len(stats.boxes), 'object')} in {counted(stats.pictures, 'image')}"
        + (f", {counted(stats.regions, 'ignore region')} not drawn" if stats.regions else "")
        for split, stats in statistics.items()
    ]


def _density(figure: Figure, axes: Axes, x: NDArray[np.float32], y: NDArray[np.float32], title: str) -> None:
    """Draw the number of objects per cell of the unit square with logarithmic colours."""
    side = int(np.clip(0.7 * len(x) ** 0.5, *CELLS))
    cells, _, _ = np.histogram2d(np.clip(x, 0, 1), np.clip(y, 0, 1), side, ((0, 1), (0, 1)))
    norm = LogNorm(1, max(float(cells.max()), 2))
    shown = np.ma.masked_less(cells.T, 1)
    image = axes.imshow(shown, DENSITY, norm=norm, origin="lower", extent=(0, 1, 0, 1), interpolation="nearest")
    ticks = _decades(float(norm.vmax or 1))
    bar = figure.colorbar(image, ax=axes, shrink=0.9, format="{x:,.0f}", ticks=ticks)
    colour_bar(bar, "objects per cell")
    title_axes(axes, title)


def _decades(most: float) -> list[float]:
    """Return 1, 10, 100, ... and ``most``, unless it is too close to the previous value."""
    decades = [10.0**power for power in range(int(np.log10(most)) + 1)]
    return [*decades, most] if most > 1.5 * decades[-1] else decades


def _step(
    axes: Axes, values: NDArray[np.floating] | NDArray[np.integer], edges: NDArray[np.float64], split: str
) -> None:
    """Draw a normalized histogram; values outside the edges count in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = counts / max(len(values), 1)
    colour = SPLITS.get(split, INK)
    axes.stairs(shares, edges, color=colour, linewidth=1.6, label=split)
    axes.stairs(shares, edges, color=colour, alpha=0.15, fill=True)


def _logarithmic(axes: Axes, ticks: Sequence[float], names: Sequence[str]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xticks(ticks, names)
    axes.minorticks_off()


def _shares(axes: Axes, x: str, y: str) -> None:
    plain(axes, x, y, grid="y")
    axes.yaxis.set_major_formatter("{x:.3g}")
