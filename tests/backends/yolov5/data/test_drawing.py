"""Colours against the conversion in floating point."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from backends.yolov5.data.drawing import random_gains, write_planes
from backends.yolov5.training.options import TrainingOptions


@pytest.mark.parametrize("gains", [(1.01, 1.5, 0.7), (0.99, 0.4, 1.4), (1.0, 1.0, 1.3)])
def test_colours_are_changed_as_by_floats(gains):
    image = np.random.default_rng(0).integers(0, 256, (16, 40, 3), dtype=np.uint8)
    planes = np.empty((3, 16, 40), np.uint8)
    write_planes(image.copy(), gains, planes)
    expected = np.empty((16, 40, 3))
    for place in np.ndindex(16, 40):
        hue, saturation, value = colorsys.rgb_to_hsv(*(image[place][::-1] / 255))
        changed = (hue * gains[0] % 1, min(saturation * gains[1], 1), min(value * gains[2], 1))
        expected[place] = np.array(colorsys.hsv_to_rgb(*changed)) * 255
    difference = np.abs(planes.transpose(1, 2, 0) - expected)
    assert difference.mean() < 2  # hue has 180 steps
    assert difference.max() < 12


def test_no_gain_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (16, 40, 3), dtype=np.uint8)
    planes = np.empty((3, 16, 40), np.uint8)
    write_planes(image.copy(), (1, 1, 1), planes)
    assert (planes == image[..., ::-1].transpose(2, 0, 1)).all()


def test_gains_stay_in_range_and_are_one_where_nothing_is_asked():
    rng = np.random.default_rng(0)
    drawn = np.array([random_gains(TrainingOptions(hsv_h=0.1, hsv_s=0.7, hsv_v=0), rng) for _ in range(500)])
    assert np.abs(drawn - 1).max(0) == pytest.approx([0.1, 0.7, 0], abs=0.02)
    assert (drawn[:, 2] == 1).all()
