"""Messages: one line without control characters, bounded in length and time for any value."""

import ast
import time

import pytest

from core.errors import (
    LONGEST_LINE,
    LONGEST_VALUE,
    HooklineError,
    PlanError,
    UnavailableError,
    code_of,
    counted,
    listed,
    reason_of,
    shown,
    unknown,
)
from core.process.signals import Terminated
from tests.support.packages import PACKAGES, ROOT


def nested(depth: int, width: int) -> list:
    """Return a list of ``width ** depth`` items in ``depth`` objects, as aliases in YAML create it."""
    value: list = [0]
    for _ in range(depth):
        value = [value] * width
    return value


class Endless:
    """An object with a ``repr`` that must not be called."""

    def __repr__(self) -> str:
        raise AssertionError("asked")


@pytest.mark.parametrize(
    "value",
    [
        nested(60, 9),
        {"a": nested(60, 9)},
        (nested(40, 9), {1: nested(40, 9)}),
        "x" * 10_000_000,
        b"x" * 10_000_000,
        10**100_000,
        -(10**100_000),
        list(range(1_000_000)),
        {number: number for number in range(100_000)},
        Endless(),
        [Endless()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_makes_a_message_long_or_slow(value: object) -> None:
    start = time.perf_counter()
    assert 0 < len(shown(value)) <= LONGEST_VALUE
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (3, "3"),
        (0.5, "0.5"),
        (None, "None"),
        (True, "True"),
        ([1, "b"], "[1, 'b']"),
        ("\x1b[1m", r"'\x1b[1m'"),
    ],
)
def test_plain_values_are_shown_as_python_writes_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_message_is_one_line_without_control_characters_and_bounded() -> None:
    line = str(HooklineError("a\nb\x1b[31m\x00 \u202ec", "x" * 1_000_000 + "end"))
    assert len(str(HooklineError("\udcff" * 1000)).encode()) <= LONGEST_LINE
    assert line.startswith(r"a b\x1b[31m\x00 \u202ec; xxx")
    assert line.endswith("end")
    assert len(line) == LONGEST_LINE


def test_a_name_that_is_not_utf8_is_bounded_as_it_is_printed() -> None:
    """A lone surrogate is printed as six characters."""
    line = str(HooklineError("\udcff" * 1000))
    assert line.encode().startswith(rb"\udcff\udcff")
    assert len(line) == LONGEST_LINE


def test_an_unknown_name_of_any_length_is_cut() -> None:
    assert len(str(unknown("stage", "x" * 1_000_000, ["build"]))) < 2 * LONGEST_VALUE + 100


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "image", "1 image"),
        (0, "image", "0 images"),
        (2, "box", "2 boxes"),
        (2, "class", "2 classes"),
        (3, "epoch", "3 epochs"),
        (3, "batch", "3 batches"),
        (1203, "process", "1,203 processes"),
    ],
)
def test_counts_have_their_noun(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")]
)
def test_a_list_names_its_first_items(items: list[str], text: str) -> None:
    assert listed(items, 2) == text


def test_codes_of_errors() -> None:
    ends = (HooklineError("a"), UnavailableError("a"), KeyboardInterrupt(), Terminated("a"), ValueError("a"))
    assert [code_of(error) for error in ends] == [
        "user_error",
        "unavailable",
        "interrupted",
        "interrupted",
        "internal_error",
    ]
    assert code_of(PlanError([UnavailableError("a"), UnavailableError("b")])) == "unavailable"
    assert code_of(PlanError([UnavailableError("a"), HooklineError("b")])) == "user_error"
    assert len(reason_of(ValueError("x" * 1_000_000))) == LONGEST_LINE


def test_no_message_uses_an_unbounded_repr() -> None:
    """``{value!r}`` in an f-string is not bounded; use ``shown``."""
    generators = {"cuda_plugins/yolo_layer_aot.py"}  # writes source code, not messages
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*.py")
        if str(path.relative_to(ROOT)) not in generators
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FormattedValue) and node.conversion == ord("r")
    ]
    assert found == []
