"""The job of a trainer: what the stage ``train`` passes to a model family, and what the family returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.artifacts import Checkpoint
from core.kinds.training_progress import TrainingWatcher
from core.model_facts import ModelFacts
from core.options.training import ImageCache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.labels import Labels

OptionsT = TypeVar("OptionsT")

BEST, LAST = "best.safetensors", "last.safetensors"
"""File names of the checkpoints of the best and of the last epoch in ``TrainingJob.folder``."""
STATE = ".state.pt"
"""File name of the state that a training run is resumed from. It exists when at least one epoch has finished."""


@dataclass(frozen=True)
class TrainingImage:
    """An image with its labelled objects and its ignore regions.

    Attributes:
        path: The image file; ``TrainingJob.read`` decodes it.
        size: Height and width in pixels, after rotation by the EXIF orientation.
        labels: The objects in the image, and its ``regions``: parts in which not all objects are labelled. A trainer
            must not train them as background, and must declare so: ``ModelFamily.ignore_regions``.
    """

    path: Path
    size: tuple[int, int]
    labels: Labels


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training.

    After each epoch, the trainer writes the checkpoints :data:`BEST` and :data:`LAST` and, to be resumable,
    :data:`STATE` into ``folder`` (names in ``hookline.training``). In each epoch it calls ``watcher.begin``,
    ``advance``, ``validate`` and ``finish``, in this order. At the end it returns a :class:`Trained`.

    Attributes:
        variant: Network of the family, one of ``ModelFamily.variants``; None for that of ``start``.
        start: Initial weights; None for random ones. Its classes may differ from ``names``.
        names: Class names of the data set, index = class id.
        images: Images to train on, with their labels.
        options: Options of the family, an instance of ``ModelFamily.training``; see :meth:`options_as`.
        imgsz: Side of the square network input in pixels.
        epochs: Number of epochs.
        batch: Images per batch, of all processes together; None for the largest batch that fits into memory.
        workers: Worker processes that read images, per training process; 0 for none.
        patience: Early stopping: epochs without improvement; 0 disables it.
        hours: Maximum duration in hours; no epoch starts that would end later. None disables it.
        val_every: Validate every N epochs; the last epoch is always validated.
        cache: Where decoded images are cached.
        seed: Seed for all random numbers.
        device: ``auto``, ``cpu`` or ``cuda:N``.
        folder: Folder for state, checkpoints and images, in the run directory.
        resume: Continue from the state in ``folder``.
        read: ``read(path)`` returns an image file as uint8 BGR [H, W, 3].
        watcher: Receives progress, validates and warns.
    """

    variant: str | None
    start: Checkpoint | None
    names: tuple[str, ...]
    images: Sequence[TrainingImage]
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

        Args:
            declared: The dataclass, ``ModelFamily.training``.

        Raises:
            TypeError: The options belong to another family.
        """
        if not isinstance(self.options, declared):
            raise TypeError(f"this trainer takes {declared.__name__}, not {type(self.options).__name__}")
        return self.options


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    Attributes:
        facts: Facts of the checkpoints in ``TrainingJob.folder``.
        epochs: Number of finished epochs.
        best_epoch: Index of the best epoch, from 0.
        values: Further metrics, e.g. the best fitness.
        ended: Why the training ended: ``epochs``, ``patience`` or ``time``; empty if the trainer does not report it.
    """

    facts: ModelFacts
    epochs: int
    best_epoch: int
    values: Mapping[str, float]
    ended: str = ""
