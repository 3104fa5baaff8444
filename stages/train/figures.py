"""The metrics of a training run: ``training.json``, written after each epoch, and the values for ``summary.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.evaluation.scores import Scores, class_table
from core.files.paths import write_file
from core.kinds.training import Trained
from core.storage.serial import DecodeError, decode, parse

FILE = "training.json"
SCORES = ("map50", "map50_95", "precision", "recall")


@dataclass
class Figures:
    """The metrics of a training run so far.

    Attributes:
        epochs: Number of finished epochs.
        best_epoch: From 1; 0 before the first epoch with a fitness.
        best: Metrics of that epoch, by the names of results.csv.
        last: Metrics of the last finished epoch.
        ended: Why the training ended: ``epochs``, ``patience`` or ``time``; empty while it runs, and if it was
            interrupted.
        measured: Metrics of the best weights on the validation split at the end of the training, those of each class
            under ``classes``.
        table: The same as a text table.
    """

    epochs: int = 0
    best_epoch: int = 0
    best: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    ended: str = ""
    measured: dict[str, float | dict[str, dict[str, float]]] = field(default_factory=dict)
    table: str = ""

    def add(self, epoch: int, values: Mapping[str, float], *, best: bool) -> None:
        """Add the metrics of epoch ``epoch``, counted from 1."""
        self.epochs = epoch
        self.last = {name: value for name, value in values.items() if math.isfinite(value)}
        if best:
            self.best_epoch, self.best = epoch, self.last

    def conclude(self, trained: Trained, scores: Scores, split: str) -> None:
        """Add the end of the training and the metrics of its best weights on ``split``."""
        self.epochs, self.best_epoch, self.ended = trained.epochs, trained.best_epoch + 1, trained.ended
        self.measured = {
            "fitness": trained.values.get("fitness", 0.0),
            **{name: scores.stats[name] for name in ("map50", "map50_95")},
            "precision": scores.all.precision,
            "recall": scores.all.recall,
            "classes": {row.name: {name: getattr(row, name) for name in SCORES} for row in scores.classes},
        }
        title = f"best.safetensors (epoch {self.best_epoch} of {self.epochs}) on split '{split}':"
        self.table = f"{title}\n{class_table(scores)}"

    def values(self) -> dict[str, object]:
        """Return the values for summary.json: counts, losses of the best epoch, and metrics of its weights."""
        losses = {name: value for name, value in self.best.items() if name.startswith(("train/", "val/"))}
        metrics = {name.removeprefix("metrics/"): value for name, value in self.best.items() if "metrics/" in name}
        counts = {"epochs": self.epochs, "best_epoch": self.best_epoch, "ended": self.ended or "interrupted"}
        return {**counts, **losses, **metrics, **self.measured}

    def write(self, folder: Path) -> None:
        """Write ``training.json`` atomically."""
        write_file(folder / FILE, (json.dumps(asdict(self), indent=1) + "\n").encode())


def read_figures(folder: Path) -> Figures:
    """Return the metrics of the training in ``folder``; empty ones if there is no readable file."""
    with suppress(OSError, DecodeError):
        found: Figures = decode(Figures, parse((folder / FILE).read_bytes()))
        return found
    return Figures()
