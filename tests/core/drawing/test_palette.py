from __future__ import annotations

import itertools

import numpy as np

from core.drawing.palette import CLASS_COLOURS, class_colour, class_hex, contrast, text_colour


def test_text_can_be_read_on_every_colour() -> None:
    for number in range(CLASS_COLOURS):
        colour = class_colour(number)
        assert contrast(text_colour(colour), colour) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == contrast((255, 255, 255), (0, 0, 0)) == 21
    assert abs(contrast((0x77, 0x77, 0x77), (255, 255, 255)) - 4.48) < 0.01


def test_every_class_of_coco_has_a_colour_of_its_own() -> None:
    colours = np.array([class_colour(number) for number in range(80)], int)
    distances = [np.abs(one - other).sum() for one, other in itertools.combinations(colours, 2)]
    assert min(distances) > 30
    assert min(np.abs(one - other).sum() for one, other in itertools.combinations(colours[:12], 2)) > 60


def test_charts_and_images_have_the_same_colours() -> None:
    for number in (0, 5, 79, 80, 1203):
        blue, green, red = class_colour(number)
        assert class_hex(number) == f"#{red:02x}{green:02x}{blue:02x}"
    assert class_hex(0) == class_hex(80) == "#d55e00"
