"""Ignore regions are striped, apart from the boxes of classes."""

from __future__ import annotations

import numpy as np
import pytest

from core.drawing.regions import draw_regions
from core.label_classes import ALL_CLASSES
from core.labels import Labels


def labels_of(*regions: tuple[float, float, float, float]) -> Labels:
    rows = np.array(regions).reshape(-1, 4)
    return Labels(np.zeros(0, np.int32), np.zeros((0, 4)), rows, np.full(len(rows), ALL_CLASSES, np.int32))


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_stripes_cover_the_region_only_and_are_visible_on_any_background(grey: int) -> None:
    image = np.full((100, 200, 3), grey, np.uint8)
    drawn = draw_regions(image, labels_of((0.5, 0.5, 0.4, 0.6)))
    ys, xs = np.nonzero((drawn != image).any(2))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (60, 139, 20, 79)
    assert 0.1 < (drawn[20:80, 60:140] != grey).mean() < 0.3
    assert (image == grey).all(), "the image itself is not changed"


def test_small_regions_and_those_at_the_edge_are_drawn() -> None:
    image = np.full((100, 200, 3), 90, np.uint8)
    drawn = draw_regions(image, labels_of((0.04, 0.0, 0.08, 0.001), (0.95, 0.95, 0.4, 0.4)))
    assert (drawn[0, :16] != 90).any()
    assert (drawn[75:, 150:] != 90).any()


def test_no_regions_draw_nothing() -> None:
    image = np.full((10, 20, 3), 90, np.uint8)
    assert draw_regions(image, labels_of()) is image
