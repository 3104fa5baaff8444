"""Rows of label files: boxes, polygons, scores, and coordinates beyond the image."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.label_rows import RowError, RowProblem, parse_row, plain_row


def problems(line: str, size: tuple[int, int] | None = (480, 640)) -> list[RowProblem]:
    return [problem for problem, _ in parse_row(line, 3, lambda: size).repairs]


def test_a_polygon_is_its_bounding_box() -> None:
    row = parse_row("2 .1 .2 .5 .2 .5 .8 .1 .8", 3)
    assert row.class_id == 2
    np.testing.assert_allclose(row.box, (0.3, 0.5, 0.4, 0.6))
    assert [problem for problem, _ in row.repairs] == [RowProblem.polygon]


def test_a_score_is_left_out() -> None:
    row = parse_row("1 .5 .5 .2 .2 .875", 3)
    assert row.box == (0.5, 0.5, 0.2, 0.2)
    assert row.repairs == ((RowProblem.score, "has a score, which is not used: '.875'"),)


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.304 0.5003 0.608 1.0004374453193348", (0.304, 0.5003, 0.608, 1.0)),
        ("0 0.9999995 0.5 1.0000001 .2", (0.9999995, 0.5, 1.0, 0.2)),
        ("0 -0.0000001 .5 .3 .3", (0.0, 0.5, 0.3, 0.3)),
        ("0 .5 .5 .3 1.002", (0.5, 0.5, 0.3, 1.0)),
    ],
)
def test_rounding_is_clipped(line: str, box: tuple[float, ...]) -> None:
    row = parse_row(line, 3, lambda: (480, 640))
    assert row.box == box
    assert RowProblem.clipped in [problem for problem, _ in row.repairs]


@pytest.mark.parametrize(
    ("line", "size", "fits"),
    [
        ("0 .5 .5 .3 1.009", (100, 4000), True),  # 0.9 of 100 pixels
        ("0 .5 .5 1.009 .3", (100, 4000), False),  # 36 of 4000 pixels
        ("0 .5 .5 .3 1.0009", None, True),
        ("0 .5 .5 .3 1.002", None, False),
    ],
)
def test_the_limit_is_a_pixel_of_the_image(line: str, size: tuple[int, int] | None, *, fits: bool) -> None:
    if fits:
        assert problems(line, size)[0] is RowProblem.clipped
        return
    with pytest.raises(RowError) as caught:
        parse_row(line, 3, lambda: size)
    assert caught.value.problem is RowProblem.outside


def test_the_size_is_read_only_for_boxes_that_leave_the_image() -> None:
    def unwanted() -> tuple[int, int]:
        raise AssertionError

    assert parse_row("0 .5 .5 1 1", 3, unwanted).repairs == ()
    assert parse_row("0 .000499 .5 .001 .5", 3, unwanted).repairs == ()  # six decimals of a box at the border
    with pytest.raises(AssertionError):
        parse_row("0 .01 .5 .1 .5", 3, unwanted)


@pytest.mark.parametrize(("x", "found"), [(".05", []), (".0489", []), (".04", [RowProblem.beyond])])
def test_corners_that_leave_the_image_are_found(x: str, found: list[RowProblem]) -> None:
    row = parse_row(f"0 {x} .5 .1 .2", 3, lambda: (480, 640))
    assert row.box == (float(x), 0.5, 0.1, 0.2)
    assert [problem for problem, _ in row.repairs] == found


def test_every_problem_is_an_error_or_a_repair() -> None:
    errors = {problem for problem in RowProblem if problem.is_error}
    assert errors == {RowProblem.malformed, RowProblem.unknown_class, RowProblem.outside, RowProblem.empty}


def test_plain_rows_are_those_without_repairs() -> None:
    rng = np.random.default_rng(0)
    for values in rng.choice([-0.1, 0.0, 1e-5, 0.25, 0.5, 0.99995, 1.0, 1.0005], (3000, 4)):
        for class_id in ("1", "3", "0.5", "-1"):
            line = f"{class_id} {' '.join(map(str, values))}"
            try:
                row = parse_row(line, 3)
            except RowError:
                row = None
            plain = (row.class_id, *row.box) if row and not row.repairs else None
            assert plain_row(line, 3) == plain, line


def test_plain_rows_are_inside_an_image_of_any_size() -> None:
    rng = np.random.default_rng(0)
    for x, excess in zip(rng.uniform(0, 0.5, 3000), rng.choice([0, 0.9e-4, 1e-4, 1.1e-4], 3000), strict=True):
        for box in (f"{x} .5 {2 * (x + excess)} .5", f".5 {1 - x} .5 {2 * (x + excess)}"):
            repairs = parse_row(f"1 {box}", 3, lambda: (10**7, 10**7)).repairs
            assert (plain_row(f"1 {box}", 3) is None) == bool(repairs), box
