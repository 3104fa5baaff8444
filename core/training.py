"""What the ``train`` stage and the trainer of a model family say to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from core.artifacts import Checkpoint, ModelFacts
from core.training_choices import Cache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.labels import Labels
    from core.parts import Session

OptionsT = TypeVar("OptionsT")

BEST, LAST = "best.safetensors", "last.safetensors"
"""Names of the two checkpoints that a trainer keeps in its folder."""
STATE = ".state.pt"
"""Name of what it resumes from; its presence in the folder says that an epoch was finished."""

ValidationLosses: TypeAlias = "Callable[[Mapping[str, NDArray[np.number]], NDArray[np.float32]], Mapping[str, float]]"
"""Mean losses of one batch by name.

It takes the outputs of the session that is validated, and the objects of the batch, float32 [n, 6]: image in the batch,
class, and centre x, centre y, width and height in pixels of the network's input.
"""


@dataclass(frozen=True)
class TrainingPicture:
    """A picture and its objects.

    Attributes:
        path: The file.
        size: Height and width in pixels, turned as its EXIF orientation says.
        labels: Its objects.
    """

    path: Path
    size: tuple[int, int]
    labels: Labels


@dataclass(frozen=True)
class EpochScores:
    """What the validation of one epoch found, 0..1.

    Attributes:
        precision, recall, map50, map50_95: Means over the classes.
        classes: mAP50-95 by class id, of the classes that have objects.
        losses: Mean over the images by name, as :attr:`EpochResult.losses`; empty where they were not measured.
    """

    precision: float
    recall: float
    map50: float
    map50_95: float
    classes: Mapping[int, float]
    losses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch.

    Attributes:
        epoch: From 0.
        losses: Mean over the epoch by name, e.g. ``{"box": 0.05, "obj": 0.03, "cls": 0.01}``.
        rates: Learning rate by parameter group at the end of the epoch.
        scores: None where the epoch was not validated.
        fitness: What best and early stopping go by.
        best: Whether no epoch before was as good.
        seconds: Of training, validation not included.
        pictures: That were trained on, in all processes.
        memory: Largest use so far in bytes: of the GPU, or of the process.
    """

    epoch: int
    losses: Mapping[str, float]
    rates: Mapping[str, float]
    scores: EpochScores | None
    fitness: float
    best: bool
    seconds: float
    pictures: int
    memory: int


class TrainingWatcher(Protocol):
    """Is told how a training goes. In a distributed training only the first process has one that speaks."""

    def note(self, message: str) -> None:
        """One line of information."""
        ...

    def warn(self, message: str) -> None:
        """One line that must not be missed."""
        ...

    def begin(self, epoch: int, pictures: int) -> None:
        """An epoch of so many pictures begins."""
        ...

    def advance(self, pictures: int, losses: Mapping[str, float]) -> None:
        """A batch is done; ``losses`` are the means of the epoch so far."""
        ...

    def validate(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores | None:
        """Measure the averaged weights, and their losses where the trainer can; None without anything to measure on."""
        ...

    def finish(self, result: EpochResult) -> None:
        """An epoch is done and its checkpoints are written; told again where a resumed training repeats the epoch."""
        ...

    def page(self, name: str, path: Path) -> None:
        """A picture of the training was written, e.g. a batch with its boxes."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """All that a trainer needs.

    Attributes:
        variant: Which network of the family; None for that of ``start``.
        start: Weights to start from; None for random ones.
        names: Class names, index = class id.
        pictures: Images to train on.
        options: The family's own options, an instance of ``ModelFamily.training``; see :meth:`options_as`.
        imgsz: Side of the network's square input, pixels.
        epochs: Number of epochs.
        batch: Images per batch, of all processes together; None for the largest that fits.
        workers: Processes that read images, for each training process; 0 for none.
        patience: Early stopping: epochs without improvement; 0 disables it.
        hours: Stop before the epoch that would end later than this; None disables it.
        val_every: Epochs between validations; the last epoch is always validated.
        cache: Where decoded images are kept.
        seed: Of every random choice.
        device: ``auto``, ``cpu`` or ``cuda:N``.
        folder: Where state, checkpoints and images are kept from epoch to epoch, below the run's directory.
        resume: Continue from the state in ``folder``.
        read: Reads an image file as uint8 BGR [H, W, 3].
        watcher: Receives the progress.
    """

    variant: str | None
    start: Checkpoint | None
    names: tuple[str, ...]
    pictures: Sequence[TrainingPicture]
    options: object
    imgsz: int
    epochs: int
    batch: int | None
    workers: int
    patience: int
    hours: float | None
    val_every: int
    cache: Cache
    seed: int
    device: str
    folder: Path
    resume: bool
    read: Callable[[Path], NDArray[np.uint8]]
    watcher: TrainingWatcher

    def options_as(self, declared: type[OptionsT]) -> OptionsT:
        """Return the options as the dataclass that the family declares.

        Raises:
            TypeError: They are those of another family.
        """
        if not isinstance(self.options, declared):
            raise TypeError(f"this trainer takes {declared.__name__}, not {type(self.options).__name__}")
        return self.options


@dataclass(frozen=True)
class Trained:
    """What a trainer gives.

    Attributes:
        facts: Of the checkpoints that lie in the job's folder.
        epochs: Number of finished epochs.
        best_epoch: From 0.
        values: Further figures, e.g. the best fitness.
        ended: Why the training ended: ``epochs``, ``patience`` or ``time``; empty where the trainer does not say.
    """

    facts: ModelFacts
    epochs: int
    best_epoch: int
    values: Mapping[str, float]
    ended: str = ""
