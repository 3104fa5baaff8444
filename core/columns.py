"""Tables as aligned columns of text, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from core.drawing.text import columns, shortened

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
