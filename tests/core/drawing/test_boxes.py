from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from core.drawing.boxes import Painter, class_colour, text_colour, to_ascii
from core.drawing.plates import place_plates
from core.drawing.text import drawable
from tests.fake_parts import detections
from tests.media_tools import level_picture

NAMES = ("person", "行人", "Größe")


def test_boxes_and_labels_mark_pixels_and_the_picture_stays() -> None:
    picture = level_picture(90, 200, 300)
    drawn = Painter(NAMES).draw(picture, detections([50, 60, 150, 160, 0.9, 0]))
    assert (picture == 90).all()
    colour = class_colour(0)
    assert tuple(drawn[160, 100]) == tuple(drawn[100, 50]) == tuple(drawn[100, 150]) == colour
    assert (drawn[80:140, 70:130] == 90).all()
    plate = drawn[40:60, 50:120].reshape(-1, 3)
    assert (plate == colour).all(axis=1).mean() > 0.3
    assert (plate == text_colour(colour)).all(axis=1).any()


def test_labels_can_be_left_out() -> None:
    drawn = Painter(NAMES, labels=False).draw(level_picture(90, 200, 300), detections([50, 60, 150, 160, 0.9, 0]))
    assert (drawn[:55] == 90).all()


def test_line_width_is_obeyed_and_follows_the_picture() -> None:
    def width(picture: np.ndarray, line: int | None) -> int:
        height, length = picture.shape[:2]
        box = [0.25 * length, 0.25 * height, 0.75 * length, 0.75 * height, 0.9, 0]
        row = Painter(NAMES, line, labels=False).draw(picture, detections(box))[height // 2, : length // 2]
        return int((row == class_colour(0)).all(axis=1).sum())

    assert width(level_picture(90, 200, 300), 5) == 5
    assert width(level_picture(90, 1080, 1920), None) > width(level_picture(90, 200, 300), None) >= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (9, 9), (3000, 4000)])
def test_any_size_of_picture_can_be_drawn_into(size: tuple[int, int]) -> None:
    height, width = size
    boxes = detections([0, 0, width, height, 0.9, 0], [0, 0, 0, 0, 0.1, 1])
    assert Painter(NAMES).draw(level_picture(0, *size), boxes).shape == (*size, 3)


def test_nothing_found_gives_the_picture() -> None:
    picture = level_picture(7)
    np.testing.assert_array_equal(Painter(NAMES).draw(picture, detections()), picture)


def test_the_best_box_lies_on_top() -> None:
    both = detections([10, 10, 50, 50, 0.9, 0], [10, 10, 50, 50, 0.5, 1])
    drawn = Painter(NAMES, labels=False).draw(level_picture(0, 100, 100), both)
    assert tuple(drawn[30, 10]) == class_colour(0)


def test_colours_of_the_first_classes_are_told_apart() -> None:
    for one, other in itertools.combinations([class_colour(number) for number in range(12)], 2):
        assert np.abs(np.subtract(one, other)).sum() > 60
    assert class_colour(3) == class_colour(3)


def test_names_of_other_scripts_do_not_fail_without_the_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "FontFace", raising=False)
    drawn = Painter(NAMES).draw(
        level_picture(90, 200, 300), detections([50, 60, 150, 160, 0.9, 1], [5, 60, 40, 90, 0.8, 2])
    )
    assert (drawn != 90).any()


@pytest.mark.parametrize(("text", "plain"), [("Größe", "Gro?e"), ("行人 0.9", "?? 0.9"), ("person", "person")])
def test_to_ascii(text: str, plain: str) -> None:
    assert to_ascii(text) == plain


def overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_labels_make_room_for_one_another() -> None:
    boxes = [(100, 100, 150, 300), (110, 102, 160, 300), (105, 98, 155, 300)]
    plates = place_plates(boxes, [(60, 16)] * 3, (400, 400), 2)
    assert plates[0] == (99, 83, 159, 99)
    assert not any(overlap(one, other) for one, other in itertools.combinations(plates, 2))


@pytest.mark.parametrize("box", [(0, 0, 50, 50), (380, 0, 399, 399), (0, 390, 399, 399), (-5, -5, 500, 500)])
def test_labels_stay_inside_the_picture(box: tuple[int, int, int, int]) -> None:
    ((left, top, right, bottom),) = place_plates([box], [(60, 16)], (400, 400), 2)
    assert left >= 0
    assert top >= 0
    assert right <= 400
    assert bottom <= 400


def test_names_alone_take_less_room() -> None:
    picture, found = level_picture(90, 200, 300), detections([50, 60, 150, 160, 0.9, 0])
    inks = [
        int((Painter(NAMES, scores=scores).draw(picture, found)[:58] != 90).any(axis=2).sum())
        for scores in (False, True)
    ]
    assert 0 < inks[0] < 0.8 * inks[1]


UNDRAWABLE = "caf\udce9\x00\x1b\n\ud83d"


def test_what_cannot_be_drawn_is_replaced() -> None:
    assert drawable(UNDRAWABLE) == "caf?????"
    assert drawable("Größe 行人") == "Größe 行人"


def test_any_text_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A surrogate ends the process in OpenCV, with either kind of font."""
    found, picture = detections([50, 60, 150, 160, 0.9, 0]), level_picture(90, 200, 300)
    assert (Painter([UNDRAWABLE]).draw(picture, found) == Painter(["caf?????"]).draw(picture, found)).all()
    monkeypatch.delattr(cv2, "FontFace", raising=False)
    assert (Painter([UNDRAWABLE]).draw(picture, found) == Painter(["caf?????"]).draw(picture, found)).all()
