"""Declaration and text of ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from core.options.fields import shared
from core.options.ranges import LARGEST_INTEGER, Fraction, Positive, Range, range_problems, ranges_of
from core.planning.option_checks import OptionChecks


@dataclass
class Inner:
    depth: Positive = 1


@dataclass
class Options:
    share: Fraction = 0.5
    rounds: Positive | None = None
    speed: float = 1.0
    batch: Annotated[Any, Range(1, 64, whole=True, words=("auto",))] = "auto"
    even: Annotated[int, Range(2, 8, multiple=2)] = 4
    over: Annotated[float | None, Range(0, above=True)] = None
    conf: Fraction | None = shared("conf")
    pictures: Positive = shared("other.pictures")
    inner: Inner = field(default_factory=Inner)


def options(**changes: Any) -> Options:
    return Options(**{"conf": None, "pictures": 1, **changes})


@pytest.mark.parametrize(
    ("option", "value", "possible"),
    [
        ("share", -0.1, "0 to 1"),
        ("share", math.nan, "0 to 1"),
        ("rounds", 0, "1 or more"),
        ("rounds", LARGEST_INTEGER + 1, f"1 to {LARGEST_INTEGER}"),
        ("rounds", 10**400, f"1 to {LARGEST_INTEGER}"),
        ("speed", math.inf, "finite numbers"),
        ("batch", "many", "integers, 1 to 64, or auto"),
        ("batch", 2.5, "integers, 1 to 64, or auto"),
        ("batch", True, "integers, 1 to 64, or auto"),
        ("batch", [1], "integers, 1 to 64, or auto"),
        ("even", 3, "2 to 8, multiples of 2"),
        ("over", 0.0, "above 0"),
        ("inner", Inner(0), "1 or more"),
    ],
)
def test_a_value_out_of_range(option: str, value: Any, possible: str) -> None:
    ((_, problem),) = range_problems(options(**{option: value}), "mine.")
    assert problem.message.startswith(f"mine.{option}")
    assert problem.message.endswith("is out of range")
    assert problem.hint == f"possible: {possible}"
    assert len(str(problem)) < 240


@pytest.mark.parametrize(
    ("option", "value"),
    [("share", 0), ("share", 0.25), ("share", 1), ("batch", 64), ("even", 8), ("over", 1e-9), ("rounds", 1)],
)
def test_a_value_in_range(option: str, value: Any) -> None:
    assert list(range_problems(options(**{option: value}), "mine.")) == []


def test_what_is_no_dataclass_has_no_options() -> None:
    assert list(range_problems(None, "")) == []
    assert "speed" not in ranges_of(Options)


@pytest.mark.parametrize(
    ("value", "top", "name"), [(2.0, 2.0, "conf"), (2.0, None, "mine.conf"), (math.nan, math.nan, "conf")]
)
def test_a_value_is_reported_under_the_option_that_was_set(value: float, top: float | None, name: str) -> None:
    words = options(conf=top)
    (problem,) = OptionChecks({}, words).stage_problems("mine", options(conf=value))
    assert problem.message == f"{name}={value} is out of range"


def test_an_option_may_follow_that_of_another_stage() -> None:
    other = options(pictures=0)
    (problem,) = OptionChecks({"other": other}).stage_problems("mine", options(pictures=0))
    assert problem.message == "other.pictures=0 is out of range"
