from __future__ import annotations

import pytest

from core.drawing.text import class_label, columns, shortened, visual_order


def fits(text: str) -> bool:
    return columns(text) <= 10


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("person", 6), ("行人", 4), ("é", 1), ("e\u0301", 1), ("a\u200db", 2)]
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("person", "person"),
        ("0123456789", "0123456789"),
        ("0123456789a", "01234…789a"),
        ("佩戴安全帽和反光背心", "佩戴…背心"),
        ("x" * 6 + "e\u0301" * 9, "xxxxxx…" + "e\u0301" * 3),
    ],
)
def test_a_name_is_shortened_in_the_middle(text: str, short: str) -> None:
    found = shortened(text, fits)
    assert fits(found)
    assert found == short


def test_a_mark_does_not_stand_without_its_letter() -> None:
    for count in range(6, 14):
        tail = shortened("x" * count + "e\u0301" * count, fits).partition("…")[2]
        assert not tail.startswith("\u0301")


def test_nothing_fits() -> None:
    assert shortened("person", lambda _: False) == "…"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("person", "person"),
        ("行人", "行人"),
        ("safety helmet", "7: saf…met"),
        ("🚗", "7: ?"),
        ("🚗\ufe0f car", "7: ? car"),
        ("a\tb", "7: a?b"),
        ("caf\udce9", "7: caf?"),
        (" ", "7:  "),
    ],
)
def test_a_name_that_is_drawn_in_part_has_its_number(name: str, label: str) -> None:
    assert class_label(7, name, fits, lambda letter: letter in "行人") == label


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("person 0.91", "person 0.91"),
        ("Größe 行人", "Größe 行人"),
        ("אבג 0.91", "גבא 0.91"),
        ("אב גד 0.91", "דג בא 0.91"),
        ("3: אב, גד x", "3: דג ,בא x"),
        ("a אב b גד", "a בא b דג"),
        ("א\u05b0ב", "בא\u05b0"),
        ("אב…גד", "דג…בא"),
    ],
)
def test_words_from_right_to_left_are_drawn_in_the_order_in_which_they_are_seen(text: str, seen: str) -> None:
    assert visual_order(text) == seen
