"""``Any`` turns the type checker off: its number may fall, never rise.

ruff (ANN401) refuses it as the type of a parameter or a result; the count also sees it inside of types and in fields.
"""

from __future__ import annotations

from pathlib import Path

from tests.any_count import count_any

CEILING = 38
"""Lower it whenever the count falls."""

CODE = """
from typing import Any
import typing
def one(given: Any, text: "list[Any]") -> dict[str, Any]: ...
two: typing.Any = 3
three = "Any"  # Any
"""


def test_every_use_counts_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "sample.py").write_text(CODE)
    assert count_any(tmp_path) == {"core/sample.py": 4}


def test_any_is_not_used_more_often() -> None:
    count = sum(count_any().values())
    assert count <= CEILING, f"{count} uses of Any; `python -m tests.any_count` lists them by file"
