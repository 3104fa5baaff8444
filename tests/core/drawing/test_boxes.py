from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from core.drawing.boxes import Painter, TextWriter, has_glyph, to_ascii
from core.drawing.labels import place_labels
from core.drawing.palette import class_colour, text_colour
from core.drawing.text import drawable
from tests.support.fake_parts import detections
from tests.support.media_tools import level_picture

NAMES = ("person", "行人", "Größe")


def test_boxes_and_labels_mark_pixels_and_the_image_stays() -> None:
    picture = level_picture(90, 200, 300)
    drawn = Painter(NAMES).draw(picture, detections([50, 60, 150, 160, 0.9, 0]))
    assert (picture == 90).all()
    colour = class_colour(0)
    assert tuple(drawn[160, 100]) == tuple(drawn[100, 50]) == tuple(drawn[100, 150]) == colour
    assert (drawn[80:140, 70:130] == 90).all()
    place = drawn[40:60, 50:120].reshape(-1, 3)
    assert (place == colour).all(axis=1).mean() > 0.3
    assert (place == text_colour(colour)).all(axis=1).any()


def test_labels_can_be_left_out() -> None:
    drawn = Painter(NAMES, labels=False).draw(level_picture(90, 200, 300), detections([50, 60, 150, 160, 0.9, 0]))
    assert (drawn[:55] == 90).all()


def test_the_first_boxes_get_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.drawing.boxes.MAX_LABELS", 1)
    found = detections([50, 60, 90, 100, 0.9, 0], [200, 60, 240, 100, 0.8, 0])
    changed = (Painter(NAMES).draw(level_picture(90, 200, 300), found) != 90).any(axis=2)
    assert changed[40:55, 50:90].any()
    assert not changed[:55, 200:240].any()
    assert changed[100, 200:240].all()


def test_line_width_is_obeyed_and_follows_the_image() -> None:
    def width(picture: np.ndarray, line: int | None) -> int:
        height, length = picture.shape[:2]
        box = [0.25 * length, 0.25 * height, 0.75 * length, 0.75 * height, 0.9, 0]
        row = Painter(NAMES, line, labels=False).draw(picture, detections(box))[height // 2, : length // 2]
        return int((row == class_colour(0)).all(axis=1).sum())

    assert width(level_picture(90, 200, 300), 5) == 5
    assert width(level_picture(90, 1080, 1920), None) > width(level_picture(90, 200, 300), None) >= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (9, 9), (3000, 4000)])
def test_any_size_of_image_can_be_drawn_into(size: tuple[int, int]) -> None:
    height, width = size
    boxes = detections([0, 0, width, height, 0.9, 0], [0, 0, 0, 0, 0.1, 1])
    assert Painter(NAMES).draw(level_picture(0, *size), boxes).shape == (*size, 3)


def test_nothing_found_gives_the_image() -> None:
    picture = level_picture(7)
    np.testing.assert_array_equal(Painter(NAMES).draw(picture, detections()), picture)


def test_the_best_box_lies_on_top() -> None:
    both = detections([10, 10, 50, 50, 0.9, 0], [10, 10, 50, 50, 0.5, 1])
    drawn = Painter(NAMES, labels=False).draw(level_picture(0, 100, 100), both)
    assert tuple(drawn[30, 10]) == class_colour(0)


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
    places = place_labels(boxes, [(60, 16)] * 3, (400, 400), 2)
    assert places[0] == (99, 83, 159, 99)
    assert not any(overlap(one, other) for one, other in itertools.combinations(places, 2))


@pytest.mark.parametrize("box", [(0, 0, 50, 50), (380, 0, 399, 399), (0, 390, 399, 399), (-5, -5, 500, 500)])
@pytest.mark.parametrize("count", [1, 9, 40])
def test_labels_stay_inside_the_image(box: tuple[int, int, int, int], count: int) -> None:
    for place in place_labels([box] * count, [(60, 16)] * count, (400, 400), 2):
        assert place
        left, top, right, bottom = place
        assert left >= 0
        assert top >= 0
        assert right <= 400
        assert bottom <= 400


@pytest.mark.parametrize("size", [(401, 16), (60, 401)])
def test_a_label_larger_than_the_image_is_left_out(size: tuple[int, int]) -> None:
    small = (0, 0, 50, 50)
    assert place_labels([small, small], [size, (60, 16)], (400, 400), 2) == [None, (0, 51, 60, 67)]


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_twenty_boxes_do_not_hide_one_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 500, (20, 2))
    boxes = [(int(x), int(y), int(x) + 90, int(y) + 70) for x, y in corners]
    places = [place for place in place_labels(boxes, [(80, 16)] * 20, (640, 640), 2) if place]
    assert len(places) == 20
    assert not any(overlap(one, other) for one, other in itertools.combinations(places, 2))


def test_if_no_place_is_free_the_fewest_pixels_are_covered() -> None:
    places = place_labels([(0, 0, 60, 60)] * 9, [(60, 20)] * 9, (80, 80), 2)
    covered = np.zeros((80, 80), int)
    for left, top, right, bottom in filter(None, places):
        covered[top:bottom, left:right] += 1
    assert covered.max() <= 4  # three lines for nine labels, and half a line below


SIZES = [(480, 640), (100, 100), (64, 400), (400, 64), (12, 12), (40, 25)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["person", "x" * 60, "佩戴安全帽和反光背心的工人" * 5, "🚗🚲👷" * 20, "عامل يرتدي خوذة " * 4]
)
@pytest.mark.parametrize("opencv", [4, 5])
def test_no_label_is_cut(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], name: str, opencv: int) -> None:
    """Each label has the width of its text and is completely inside the image."""
    if opencv == 4:
        monkeypatch.delattr(cv2, "FontFace", raising=False)
    written: list[tuple[str, tuple[int, int, int, int]]] = []
    write = TextWriter.write

    def note(self: TextWriter, canvas: np.ndarray, text: str, place: tuple[int, int, int, int], colour: object) -> None:
        written.append((text, place))
        assert place[2] - place[0] == self.label_size(text)[0]
        write(self, canvas, text, place, colour)  # type: ignore[arg-type]

    monkeypatch.setattr(TextWriter, "write", note)
    height, width = size
    Painter([name]).draw(level_picture(90, *size), detections([0, 0, width, height, 0.91, 0]))
    for text, (left, top, right, bottom) in written:
        assert text.endswith(" 0.91")
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
    assert written or min(size) < 64


def test_a_long_name_is_shortened_and_numbered() -> None:
    picture, inks = level_picture(90, 200, 300), []
    for number in (0, 1):
        drawn = Painter(["x" * 60] * 2).draw(picture, detections([50, 60, 150, 160, 0.9, number]))
        inks.append((drawn[40:58] == text_colour(class_colour(number))).all(axis=2))
    assert (inks[0] != inks[1]).any()


def test_which_characters_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(cv2, "FontFace"):
        assert [has_glyph(letter) for letter in "é行Ω?🚗"] == [True, True, True, True, False]
        monkeypatch.delattr(cv2, "FontFace")
    assert [has_glyph(letter) for letter in "éŁ行🚗"] == [True, False, False, False]


def test_names_alone_take_less_room() -> None:
    picture, found = level_picture(90, 200, 300), detections([50, 60, 150, 160, 0.9, 0])
    inks = [
        int((Painter(NAMES, scores=scores).draw(picture, found)[:58] != 90).any(axis=2).sum())
        for scores in (False, True)
    ]
    assert 0 < inks[0] < 0.8 * inks[1]


UNDRAWABLE = "caf\udce9\x00\x1b\n\ud83d"


def test_undrawable_characters_are_replaced() -> None:
    assert drawable(UNDRAWABLE) == "caf?????"
    assert drawable("Größe 行人") == "Größe 行人"


def test_any_text_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A surrogate ends the process in OpenCV, with either kind of font."""
    found, picture = detections([50, 60, 150, 160, 0.9, 0]), level_picture(90, 200, 300)
    assert (Painter([UNDRAWABLE]).draw(picture, found) == Painter(["0: caf?????"]).draw(picture, found)).all()
    monkeypatch.delattr(cv2, "FontFace", raising=False)
    assert (Painter([UNDRAWABLE]).draw(picture, found) == Painter(["0: caf?????"]).draw(picture, found)).all()
