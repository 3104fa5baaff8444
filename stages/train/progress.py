"""The progress of a training run: validation, a table of epochs on the console, metrics files and trackers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from core.artifacts import Checkpoint
from core.errors import counted
from core.inference.open_model import open_model
from core.kinds.context import RunContext
from core.kinds.family_options import options_with_family
from core.kinds.model import ModelFamily
from core.kinds.session import Session
from core.kinds.tracker import RunInfo, Trackers
from core.kinds.training import BEST, LAST, Trained
from core.kinds.training_progress import EpochResult, EpochScores, ValidationLosses
from core.model_facts import ModelFacts
from core.reporting import Progress
from stages.train.config import TrainConfig
from stages.train.figures import Figures, read_figures
from stages.train.folder import TrainingFolder
from stages.train.validation import TrainingData, Validation

SCORES = ("precision", "recall", "map50", "map50_95")
HEADINGS = ("P", "R", "mAP50", "mAP50-95")
WIDTHS = (5, 5, 5, 8)


class TrainingProgress:
    """The :class:`core.kinds.training.TrainingWatcher` of rank 0. Use it in a ``with`` block."""

    def __init__(
        self,
        config: TrainConfig,
        family: ModelFamily,
        data: TrainingData,
        folder: TrainingFolder,
        context: RunContext,
    ) -> None:
        self._config = config
        self._records, self._folder = folder, folder.path
        self._context = context
        self._validation = Validation(data.validation, data.names, config, context)
        self._recorded = options_with_family(config, family)
        self._figures = read_figures(folder.path)
        self._epoch = ExitStack()
        self._progress: Progress | None = None
        self._trackers: Trackers | None = None
        self._facts: ModelFacts | None = None
        self._heading_printed = False

    def __enter__(self) -> TrainingProgress:
        info = RunInfo(name=self._context.run_dir.name, dir=self._folder, config=self._recorded)
        self._trackers = self._context.trackers(self._config.tracker, info)
        self._context.note(f"training in '{self._folder}'")
        self._note_places(self._trackers)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._epoch.close()
        if self._trackers:
            self._trackers.close()
        if kind is not None and self._figures.epochs:
            done = f"{self._figures.epochs} of {counted(self._config.epochs, 'epoch')}"
            self._context.note(f"{BEST} and {LAST} of {done} are in '{self._folder}'")

    def note(self, message: str) -> None:
        """Print one line of information."""
        self._context.note(message)

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._context.warn(message)

    def begin(self, epoch: int, images: int) -> None:
        """Open the progress line of an epoch."""
        title = f"epoch {epoch + 1}/{self._config.epochs}"
        self._progress = self._epoch.enter_context(self._context.progress(title, images, "images"))

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Advance the progress line and show the mean losses of the epoch so far."""
        if self._progress:
            self._progress.advance(images, " ".join(f"{name} {value:.4f}" for name, value in losses.items()))

    def validate(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores | None:
        """Measure the averaged weights on the validation split."""
        self._epoch.close()
        self._facts = session.facts
        return self._validation.scores(session, losses)

    def finish(self, result: EpochResult) -> None:
        """Print the row of the epoch, record its metrics, and write them in case the training is interrupted."""
        self._epoch.close()
        if not self._heading_printed:
            speed = result.images / max(result.seconds, 1e-9)
            self._context.note(
                f"epoch {result.epoch + 1}: {speed:.1f} images/s, peak memory {result.memory / 1e9:.2f} GB"
            )
            self._context.note(heading(result))
            self._records.finish_epoch()
            self._heading_printed = True
        self._context.note(row(result, self._config.epochs))
        values = scalars(result)
        if self._trackers:
            self._trackers.scalars(values, result.epoch + 1)
        self._figures.add(result.epoch + 1, values, best=result.best)
        self._figures.write(self._folder)
        self._context.figures({"epoch": result.epoch + 1, **self._figures.last})
        if self._facts:
            self._context.keep(Checkpoint(path=self._folder / LAST, facts=self._facts, values=self._figures.values()))

    def page(self, name: str, path: Path) -> None:
        """Pass an image to the trackers."""
        if self._trackers:
            self._trackers.image(name, path, 0)

    def conclude(self, trained: Trained) -> Figures:
        """Validate the best weights for the table of classes and the charts; return all metrics."""
        best = Checkpoint(path=self._folder / BEST, facts=trained.facts)
        with open_model(best, self._context, imgsz=self._config.imgsz) as session:
            evaluation, scores = self._validation.measure(session)
        self._figures.conclude(trained, scores, self._config.val_split)
        self._figures.write(self._folder)
        if self._config.plots:
            from stages.train.plots import draw_training

            drawn = self._validation.draw(evaluation, scores, self._folder, trained.facts.variant)
            for path in (*draw_training(self._folder), *drawn):
                self.page(path.stem, path)
        if self._trackers:
            self._note_places(self._trackers)
        return self._figures

    def _note_places(self, trackers: Trackers) -> None:
        for line in trackers.places():
            self._context.note(line)


def heading(result: EpochResult) -> str:
    """Return the heading of the table of epochs, below 80 characters with three losses."""
    losses = [*result.losses, *(f"v.{name}" for name in result.losses)]
    cells = [f"{name:>{width}}" for name, width in zip(HEADINGS, WIDTHS, strict=True)]
    return " ".join([f"{'epoch':>7}", *(f"{name:>6}" for name in losses), *cells])


def row(result: EpochResult, epochs: int) -> str:
    """Return the row of an epoch: training and validation losses, scores, and ``*`` for the best epoch so far."""
    scores = result.scores
    losses = [*result.losses.values(), *(scores.losses.get(name) if scores else None for name in result.losses)]
    cells = [f"{'-' if value is None else _short(value):>6}" for value in losses]
    for name, width in zip(SCORES, WIDTHS, strict=True):
        cells.append(f"{getattr(scores, name):>{width}.3f}" if scores else f"{'-':>{width}}")
    return " ".join([f"{result.epoch + 1}/{epochs}".rjust(7), *cells, *(["*"] if result.best else [])])


def _short(value: float) -> str:
    """Format a loss in about six characters."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.3g}"


class SilentProgress:
    """The watcher of ranks other than 0, which report nothing."""

    def __enter__(self) -> SilentProgress:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def note(self, message: str) -> None:
        """Do nothing."""

    def warn(self, message: str) -> None:
        """Do nothing."""

    def begin(self, epoch: int, images: int) -> None:
        """Do nothing."""

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Do nothing."""

    def validate(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores | None:
        """Raise NotImplementedError: only rank 0 validates."""
        raise NotImplementedError("only rank 0 validates")

    def finish(self, result: EpochResult) -> None:
        """Do nothing."""

    def page(self, name: str, path: Path) -> None:
        """Do nothing."""


def scalars(result: EpochResult) -> dict[str, float]:
    """Return the metrics of an epoch by the names of trackers and results.csv."""
    values = {f"train/{name}_loss": value for name, value in result.losses.items()}
    if result.scores:
        values |= {f"val/{name}_loss": value for name, value in result.scores.losses.items()}
        values |= {f"metrics/{name}": getattr(result.scores, name) for name in SCORES}
    values |= {f"lr/{name}": value for name, value in result.rates.items()}
    speed = result.images / max(result.seconds, 1e-9)
    return values | {"fitness": result.fitness, "time/pictures_per_second": speed, "time/train_seconds": result.seconds}
