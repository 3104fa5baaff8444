"""The hyperparameters of a training."""

from __future__ import annotations

from dataclasses import dataclass, field

from backends.yolov5.training.options import TrainingOptions
from core.kinds.training import ImageCache


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What any detector's training has, with the batch decided, and YOLOv5's own options.

    Attributes:
        imgsz: Side of the square input, pixels; a multiple of the largest stride.
        epochs: Number of epochs.
        batch: Images per batch, of all processes together.
        seed: Of every random choice.
        workers: Processes that read images, for this process.
        patience: Early stopping: epochs without improvement; 0 disables it.
        hours: Stop before the epoch that would end later than this; None disables it.
        val_every: Epochs between validations; the last epoch is always validated.
        cache: Where decoded images are kept.
        options: YOLOv5's own.
    """

    imgsz: int = 640
    epochs: int = 100
    batch: int = 16
    seed: int = 0
    workers: int = 2
    patience: int = 100
    hours: float | None = None
    val_every: int = 1
    cache: ImageCache = ImageCache.none
    options: TrainingOptions = field(default_factory=TrainingOptions)
