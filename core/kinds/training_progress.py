"""The progress of a training run: the watcher that a trainer reports to, and the results of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.session import Session

ValidationLosses: TypeAlias = (
    "Callable[[Mapping[str, NDArray[np.number]], NDArray[np.float32], NDArray[np.float32]], Mapping[str, float]]"
)
"""A function that returns the mean losses of one validation batch by name.

Its arguments are

- the outputs of the validated session;
- the objects of the batch, float32 [n, 6]: index of the image in the batch, class id, and centre x, centre y, width and
  height in pixels of the network input;
- the ignore regions of the batch, float32 [m, 5]: the same without the class id.
"""


@dataclass(frozen=True)
class EpochScores:
    """Validation metrics of one epoch, 0 to 1.

    Attributes:
        precision, recall, map50, map50_95: Means over the classes.
        classes: mAP50-95 by class id, for the classes with objects.
        losses: Mean validation losses by name, as in :attr:`EpochResult.losses`; empty if not measured.
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
        epoch: Index of the epoch, from 0.
        losses: Mean losses of the epoch by name, e.g. ``{"box": 0.05, "obj": 0.03, "cls": 0.01}``.
        rates: Learning rate by parameter group at the end of the epoch.
        scores: Validation metrics; None if the epoch was not validated.
        fitness: Metric for best weights and early stopping; higher is better.
        best: Whether the fitness is the highest so far.
        seconds: Duration of the training part in seconds, without validation.
        images: Number of training images, in all processes.
        memory: Peak memory so far in bytes: of the GPU, or of the process on a CPU.
    """

    epoch: int
    losses: Mapping[str, float]
    rates: Mapping[str, float]
    scores: EpochScores | None
    fitness: float
    best: bool
    seconds: float
    images: int
    memory: int


class TrainingWatcher(Protocol):
    """Receives the progress of a training run. In distributed training, only the watcher of rank 0 reports."""

    def note(self, message: str) -> None:
        """Print one line of information.

        Args:
            message: The line, without a full stop.
        """
        ...

    def warn(self, message: str) -> None:
        """Print a warning.

        Args:
            message: The line, without a full stop.
        """
        ...

    def begin(self, epoch: int, images: int) -> None:
        """Report the start of an epoch.

        Args:
            epoch: Index of the epoch, from 0.
            images: Number of training images in the epoch.
        """
        ...

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Report a finished batch.

        Args:
            images: Number of images in the batch.
            losses: Mean losses of the epoch so far by name.
        """
        ...

    def validate(self, session: Session, losses: ValidationLosses | None = None) -> EpochScores | None:
        """Measure weights on the validation split, with the same evaluation as the stage evaluate.

        Args:
            session: The network with the weights to measure, e.g. the averaged ones.
            losses: Returns the losses of a batch from the outputs of ``session``; None to measure no losses.

        Returns:
            The metrics; None if the data set has no validation images.
        """
        ...

    def finish(self, result: EpochResult) -> None:
        """Report a finished epoch, after its checkpoints have been written. A resumed training run may repeat an epoch.

        Args:
            result: Losses, metrics and speed of the epoch.
        """
        ...

    def page(self, name: str, path: Path) -> None:
        """Report an image that the training wrote, e.g. a batch with its boxes.

        Args:
            name: Name for the experiment trackers.
            path: The image file.
        """
        ...
