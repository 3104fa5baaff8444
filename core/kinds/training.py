"""The interface between the ``train`` stage and the trainer of a model family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from core.artifacts import Checkpoint
from core.model_facts import ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.session import Session
    from core.labels import Labels

OptionsT = TypeVar("OptionsT")

BEST, LAST = "best.safetensors", "last.safetensors"
"""Name of a checkpoint that a trainer keeps in ``TrainingJob.folder``: of the best epoch, of the last one."""
STATE = ".state.pt"
"""Name of the file that a trainer resumes from; its presence in the folder says that an epoch was finished."""

ValidationLosses: TypeAlias = "Callable[[Mapping[str, NDArray[np.number]], NDArray[np.float32]], Mapping[str, float]]"
"""Returns the mean losses of one batch by name.

It takes the outputs of the session that is validated, and the objects of the batch, float32 [n, 6]: image in the batch,
class, and centre x, centre y, width and height in pixels of the network's input.
"""


@dataclass(frozen=True)
class TrainingPicture:
    """An image and its objects.

    Attributes:
        path: The file; ``TrainingJob.read`` reads it.
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
        fitness: The number by which best weights and early stopping are decided; higher is better.
        best: Whether the fitness is the highest so far.
        seconds: Of training, validation not included.
        pictures: Number of images that were trained on, in all processes.
        memory: Highest memory use so far in bytes: of the GPU, or of the process.
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
    """Receives the progress of a training. In a distributed training only that of the first process reports."""

    def note(self, message: str) -> None:
        """Print one line of information."""
        ...

    def warn(self, message: str) -> None:
        """Print one line that must not be missed."""
        ...

    def begin(self, epoch: int, pictures: int) -> None:
        """Report that an epoch begins.

        Args:
            epoch: From 0.
            pictures: Number of images that it trains on.
        """
        ...

    def advance(self, pictures: int, losses: Mapping[str, float]) -> None:
        """Report that a batch is done.

        Args:
            pictures: Number of its images.
            losses: Means of the epoch so far by name.
        """
        ...

    def validate(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores | None:
        """Measure the weights on the validation split, with the evaluation of the stage evaluate.

        Args:
            session: The network with the weights to be measured, e.g. the averaged ones.
            losses: Computes the losses of a batch from the outputs of ``session``; None: they are not measured.

        Returns:
            The scores; None where the data set has nothing to measure on.
        """
        ...

    def finish(self, result: EpochResult) -> None:
        """Report that an epoch is done and its checkpoints are written; again where a resumed training repeats it."""
        ...

    def page(self, name: str, path: Path) -> None:
        """Report that an image of the training was written, e.g. a batch with its boxes.

        Args:
            name: For the trackers.
            path: The image file.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """All that ``ModelBackend.train`` gets.

    The trainer writes the checkpoints :data:`BEST` and :data:`LAST` and, to be resumable, :data:`STATE` into ``folder``
    after each epoch (names in ``hookline.training``), calls ``watcher.begin``, ``advance``, ``validate`` and ``finish``
    in this order for each epoch, and returns a :class:`Trained`.

    Attributes:
        variant: Which network of the family, one of ``ModelFamily.variants``; None for that of ``start``.
        start: Weights to start from; None for random ones. Its classes may differ from ``names``.
        names: Class names of the data set, index = class id.
        pictures: Images to train on, with their labels.
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
    cache: ImageCache
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
    """What a trainer returns.

    Attributes:
        facts: Of the checkpoints in ``TrainingJob.folder``.
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


class Optimizer(str, Enum):
    """``sgd`` with Nesterov momentum, ``adam`` or ``adamw``."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class Amp(str, Enum):
    """Mixed precision. ``auto``: ``bf16`` on a GPU that has it, else ``fp16``; ``off`` on a CPU."""

    auto = "auto"
    off = "off"
    fp16 = "fp16"
    bf16 = "bf16"


class ImageCache(str, Enum):
    """Where decoded images are kept: nowhere (``none``) or in memory (``ram``)."""

    none = "none"
    ram = "ram"
