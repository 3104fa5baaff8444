"""Text tables with aligned columns, and titles of models for tables and results."""

from __future__ import annotations

from collections.abc import Sequence

from core.artifacts import AnyModel
from core.drawing.text import columns, shortened

WIDTH = 80
"""Width of a table in columns of the terminal."""
SHORTEST_NAME = 12
"""Minimum width of the first column of a table."""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row: the first column left-aligned, the others right-aligned.

    Cells of the first column are shortened in the middle if a line would be longer than :data:`WIDTH`.

    Args:
        rows: The cells of each row.
    """
    others = [max(map(columns, column)) for column in zip(*(row[1:] for row in rows), strict=True)]
    room = max(WIDTH - sum(width + 2 for width in others), SHORTEST_NAME)
    names = [shortened(row[0], lambda text: columns(text) <= room) for row in rows]
    first = max(map(columns, names))
    return [
        "  ".join(
            [
                name + " " * (first - columns(name)),
                *(" " * (width - columns(cell)) + cell for cell, width in zip(row[1:], others, strict=True)),
            ]
        )
        for name, row in zip(names, rows, strict=True)
    ]


def title(model: AnyModel) -> str:
    """Return variant, precision and runtime of a model, without those that it does not have."""
    precision = getattr(model, "precision", None)
    runtime = getattr(model, "runtime", "")
    return " ".join(part for part in (model.facts.variant, precision.value if precision else "", runtime) if part)


def describe(model: AnyModel) -> dict[str, str]:
    """Return the JSON entry that identifies a model in a result."""
    return {"title": title(model), "type": type(model).__name__, "sha256": model.sha256}
