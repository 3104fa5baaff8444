"""The number by which the best epoch is chosen."""

from __future__ import annotations

import pytest

from backends.yolov5.training.trainer import fitness


@pytest.mark.parametrize(("map50", "map50_95", "expected"), [(0, 0, 0), (1, 1, 1), (0.6, 0.4, 0.42), (1, 0, 0.1)])
def test_fitness(map50: float, map50_95: float, expected: float) -> None:
    assert fitness(map50, map50_95) == pytest.approx(expected)
