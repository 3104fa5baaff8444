"""Checks of the texts in a figure, and class names that are hard to draw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

COUNTS = (1, 2, 20, 80, 300)
LENGTHS = (1, 12, 60)
SCRIPTS = {
    "latin": "Wearing gloves, helmet & vest ",
    "chinese": "佩戴安全帽和反光背心的工人",
    "arabic": "عامل يرتدي خوذة السلامة ",
    "emoji": "🚗🚲👷",
    "mathematics": r"$x^2$ \frac{_} %s ",
}


def names_of(count: int, length: int, script: str) -> tuple[str, ...]:
    """Return names that differ in their last characters, if they are long enough."""
    letters = SCRIPTS[script] * 30
    return tuple(f"{letters[: max(0, length - len(str(index)))]}{index}"[-length:] for index in range(count))


def assert_readable(figure: Figure) -> None:
    """Assert that all texts are inside of the figure and do not overlap."""
    figure.draw_without_rendering()
    texts = list(_texts(figure))
    boxes = np.array([_extent(text).extents for text in texts])
    width, height = figure.bbox.size
    for text, (left, bottom, right, top) in zip(texts, boxes, strict=True):
        inside = left >= 0 and bottom >= 0 and right <= width and top <= height
        assert inside, f"'{text.get_text()}' leaves the figure"
    low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    overlapping = np.argwhere(np.triu((high - low > 1).all(axis=2), k=1))
    pairs = [(texts[one].get_text(), texts[other].get_text()) for one, other in overlapping]
    assert not pairs, f"texts overlap: {pairs[:10]}"


def _extent(text: Text) -> Bbox:
    return text.get_window_extent()


def _texts(figure: Figure) -> Iterator[Text]:
    """Yield all visible texts."""
    yield from figure.texts
    axes = [*figure.axes, *itertools.chain.from_iterable(item.child_axes for item in figure.axes)]
    for item in axes:
        for text in _texts_of(item):
            if text.get_visible() and text.get_text():
                yield text


def _texts_of(axes: Axes) -> Iterator[Text]:
    yield from axes.texts
    yield from (axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label)
    yield from (axes.xaxis.get_offset_text(), axes.yaxis.get_offset_text())
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        places = axis.get_ticklocs()
        inside = (places >= min(limits)) & (places <= max(limits))
        yield from itertools.compress(axis.get_ticklabels(), inside)
    if legend := axes.get_legend():
        yield from (*legend.get_texts(), legend.get_title())
