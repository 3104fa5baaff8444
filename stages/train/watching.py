"""Tells how a training goes: progress, a table of epochs, trackers; and validates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from core.artifacts import Checkpoint
from core.context import Progress, RunContext
from core.opening import open_model
from core.parts import Session
from core.trackers import RunInfo, Trackers
from core.training import BEST, EpochResult, EpochScores, Trained, TrainingPicture
from stages.train import TrainConfig
from stages.train.folder import TrainingFolder
from stages.train.validation import Validation

SCORES = ("precision", "recall", "map50", "map50_95")
HEADINGS = ("P", "R", "mAP50", "mAP50-95")


class Watcher:
    """Implements :class:`core.training.TrainingWatcher` for the process that speaks. Use it in a ``with`` block."""

    def __init__(
        self,
        config: TrainConfig,
        names: Sequence[str],
        validation: Sequence[TrainingPicture],
        folder: TrainingFolder,
        context: RunContext,
    ) -> None:
        self._config = config
        self._folder = folder
        self._context = context
        self._validation = Validation(validation, names, config, context)
        self._epoch = ExitStack()
        self._progress: Progress | None = None
        self._trackers: Trackers | None = None
        self._tabled = False

    def __enter__(self) -> Watcher:
        info = RunInfo(name=self._context.run_dir.name, dir=self._folder.path, config=vars(self._config))
        self._trackers = self._context.trackers(self._config.tracker, info)
        return self

    def __exit__(self, *error: object) -> None:
        self._epoch.close()
        if self._trackers:
            self._trackers.close()

    def note(self, message: str) -> None:
        """One line of information."""
        self._context.note(message)

    def warn(self, message: str) -> None:
        """One line that must not be missed."""
        self._context.warn(message)

    def begin(self, epoch: int, pictures: int) -> None:
        """Open the progress line of an epoch."""
        title = f"epoch {epoch + 1}/{self._config.epochs}"
        self._progress = self._epoch.enter_context(self._context.progress(title, pictures, "pictures"))

    def advance(self, pictures: int, losses: Mapping[str, float]) -> None:
        """Move the progress line on; ``losses`` are the means of the epoch so far."""
        if self._progress:
            self._progress.advance(pictures, " ".join(f"{name} {value:.4f}" for name, value in losses.items()))

    def validate(self, session: Session) -> EpochScores | None:
        """Measure the averaged weights on the validation split."""
        self._epoch.close()
        return self._validation.scores(session)

    def finish(self, result: EpochResult) -> None:
        """Tell the epoch in one row, and the trackers."""
        self._epoch.close()
        if not self._tabled:
            self._context.note(self._heading(result))
            self._tabled = True
        self._context.note(self._row(result))
        if self._trackers:
            self._trackers.scalars(scalars(result), result.epoch + 1)

    def page(self, name: str, path: Path) -> None:
        """Give a picture to the trackers."""
        if self._trackers:
            self._trackers.picture(name, path, 0)

    def conclude(self, trained: Trained) -> None:
        """The last lines, and the pictures of the whole training."""
        best = f"best epoch {trained.best_epoch + 1} of {trained.epochs}"
        self._context.note(", ".join([best, *(f"{name} {value:.4f}" for name, value in trained.values.items())]))
        if self._config.plots:
            for path in self._pictures(trained):
                self.page(path.stem, path)

    def _pictures(self, trained: Trained) -> list[Path]:
        """Curves of the training, and what the best weights find in the validation split."""
        from stages.train.plots import draw_training

        folder = self._folder.path
        best = Checkpoint(path=folder / BEST, facts=trained.facts)
        with open_model(best, self._context, imgsz=self._config.imgsz) as session:
            return [*draw_training(folder), *self._validation.draw(session, folder)]

    def _heading(self, result: EpochResult) -> str:
        columns = [f"{'epoch':>9}", f"{'memory':>8}", *(f"{name:>8}" for name in result.losses)]
        return " ".join([*columns, *(f"{name:>8}" for name in HEADINGS), f"{'pictures/s':>10}"])

    def _row(self, result: EpochResult) -> str:
        counted = f"{result.epoch + 1}/{self._config.epochs}"
        scores = [getattr(result.scores, name) for name in SCORES] if result.scores else []
        figures = [f"{value:>8.4f}" for value in result.losses.values()]
        figures += [f"{value:>8.4f}" for value in scores] or [f"{'-':>8}"] * len(SCORES)
        speed = f"{result.pictures / max(result.seconds, 1e-9):>10.1f}"
        row = " ".join([f"{counted:>9}", f"{result.memory / 1e9:>6.2f}GB", *figures, speed])
        return f"{row}  best" if result.best else row


class SilentWatcher:
    """The watcher of the processes that do not speak."""

    def __enter__(self) -> SilentWatcher:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def note(self, message: str) -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """Nothing."""

    def begin(self, epoch: int, pictures: int) -> None:
        """Nothing."""

    def advance(self, pictures: int, losses: Mapping[str, float]) -> None:
        """Nothing."""

    def validate(self, session: Session) -> EpochScores | None:
        """Never asked: the first process validates."""
        raise ValueError(f"only the first process validates, not this one with {session.facts.variant}")

    def finish(self, result: EpochResult) -> None:
        """Nothing."""

    def page(self, name: str, path: Path) -> None:
        """Nothing."""

    def conclude(self, trained: Trained) -> None:
        """Nothing."""


def scalars(result: EpochResult) -> dict[str, float]:
    """The figures of one epoch by the names that trackers and results.csv use."""
    values = {f"train/{name}_loss": value for name, value in result.losses.items()}
    if result.scores:
        values |= {f"metrics/{name}": getattr(result.scores, name) for name in SCORES}
    values |= {f"lr/{name}": value for name, value in result.rates.items()}
    speed = result.pictures / max(result.seconds, 1e-9)
    return values | {"fitness": result.fitness, "time/pictures_per_second": speed, "time/train_seconds": result.seconds}
