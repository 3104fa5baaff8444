from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from stages.evaluate.decode_cost import PARTS, Cost, Loss
from stages.evaluate.report import cost_table


def test_the_table_of_the_decode_fits_a_terminal_and_has_no_negative_zero() -> None:
    parts = tuple(Loss(decode, 0.5, 0.25, -0.0001, -0.0001, "motorcycle", 0.034) for decode in PARTS)
    cost = Cost("int8", "onnxruntime", 5000, 0.001, 0.001, 0.4999, 0.2499, parts)
    engine: Any = SimpleNamespace(stats={"map50": 0.5, "map50_95": 0.25})
    text = cost_table(cost, engine)
    assert "-0.000" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_loss_that_would_be_printed_as_zero_names_no_class() -> None:
    engine: Any = SimpleNamespace(stats={"map50": 0.5, "map50_95": 0.25})
    for lost, lines in ((0.0004, 0), (0.0005, 2)):
        parts = tuple(Loss(decode, 0.5, 0.25, lost, lost, "dog", lost) for decode in PARTS)
        text = cost_table(Cost("int8", "onnxruntime", 3, 0.25, 0.001, 0.5, 0.25, parts), engine)
        assert text.count("loses most") == lines
