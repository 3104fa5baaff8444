from __future__ import annotations

from core.drawing.text import columns
from core.tables import WIDTH, aligned


def test_columns() -> None:
    assert aligned([("", "a", "bc"), ("name", "1.0", "2")]) == ["        a  bc", "name  1.0   2"]


def test_wide_characters_take_two_columns() -> None:
    assert aligned([("人", "1"), ("dog", "12")]) == ["人    1", "dog  12"]


def test_a_long_name_is_shortened_so_that_the_line_fits() -> None:
    lines = aligned([("Class", "Images", "mAP50"), ("x" * 500 + "end", "12", "0.500"), ("人" * 90, "1", "0.1")])
    assert [columns(line) for line in lines] == [WIDTH] * 3
    assert lines[1].endswith("end      12  0.500")


def test_a_name_keeps_some_columns_next_to_many_others() -> None:
    assert aligned([("a long name of a class", *["x" * 10] * 9)])[0].startswith("a long…class  x")
