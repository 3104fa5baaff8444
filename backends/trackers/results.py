"""The tracker ``csv``: ``results.csv``, replaced atomically after each epoch."""

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
    """Writes one row per epoch and one column per metric, in the order in which metrics were first recorded.

    The file is replaced atomically, so it never has a partial row. A row replaces that of its epoch and all later ones,
    so a resumed training run has each epoch once.
    """

    def __init__(self) -> None:
        self._path = Path(FILE)
        self._rows: list[dict[str, str]] = []

    @property
    def place(self) -> str:
        """The path of the file."""
        return f"'{self._path}'"

    def start(self, run: RunInfo) -> None:
        """Read the rows of an interrupted training run."""
        self._path = run.dir / FILE
        if self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if (row.get(EPOCH) or "").isdecimal()]

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write the row of epoch ``step``."""
        earlier = [row for row in self._rows if int(row[EPOCH]) < step]
        self._rows = [*earlier, {EPOCH: str(step), **{name: f"{value:.{DIGITS}g}" for name, value in values.items()}}]
        part = self._path.with_name(f".{FILE}.part")
        part.write_text(self._text(), encoding="utf-8", newline="")
        os.replace(part, self._path)

    def image(self, name: str, path: Path, step: int) -> None:
        """Do nothing: a table has no images."""

    def close(self) -> None:
        """Do nothing: every row is already in the file."""

    def _text(self) -> str:
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        return text.getvalue()
