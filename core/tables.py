"""Names of models and aligned columns of text, for tables and results."""

from __future__ import annotations

from collections.abc import Sequence

from core.artifacts import AnyModel
from core.drawing.labels import columns, shortened

WIDTH = 80
"""Columns of a table."""
SHORTEST_NAME = 12
"""Columns of the first cell of a row, however many the others take."""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row: the first column aligned to the left, the others to the right.

    Cells of the first column are shortened in the middle where the line would take more than :data:`WIDTH` columns.
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
    """Return variant, precision and runtime, as far as the model has them."""
    precision = getattr(model, "precision", None)
    runtime = getattr(model, "runtime", "")
    return " ".join(part for part in (model.facts.variant, precision.value if precision else "", runtime) if part)


def describe(model: AnyModel) -> dict[str, str]:
    """Return what the JSON of a result says of a model."""
    return {"title": title(model), "type": type(model).__name__, "sha256": model.sha256}
