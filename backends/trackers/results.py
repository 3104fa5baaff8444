"""The tracker ``csv``: a table that is whole at any moment."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from core.kinds.tracker import RunInfo

FILE = "results.csv"
EPOCH = "epoch"
DIGITS = 6


class ResultsFile:
    """One row an epoch, one column a figure, in the order in which figures were first seen.

    The file is written anew beside the old one, which it then replaces: whoever reads it, and
    whatever ends the program, finds whole rows. A row replaces that of its epoch and all later ones,
    so that a training that goes on from an earlier epoch leaves each epoch once.
    """

    def __init__(self) -> None:
        self._path = Path(FILE)
        self._rows: list[dict[str, str]] = []

    @property
    def place(self) -> str:
        """The file."""
        return f"'{self._path}'"

    def start(self, run: RunInfo) -> None:
        """Take in the rows of a training that was interrupted."""
        self._path = run.dir / FILE
        if self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if (row.get(EPOCH) or "").isdecimal()]

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write the row of epoch ``step``."""
        former = [row for row in self._rows if int(row[EPOCH]) < step]
        self._rows = [*former, {EPOCH: str(step), **{name: f"{value:.{DIGITS}g}" for name, value in values.items()}}]
        part = self._path.with_name(f".{FILE}.part")
        part.write_text(self._text(), encoding="utf-8", newline="")
        os.replace(part, self._path)

    def image(self, name: str, path: Path, step: int) -> None:
        """A table has no images."""

    def close(self) -> None:
        """Every row is in the file already."""

    def _text(self) -> str:
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        return text.getvalue()
