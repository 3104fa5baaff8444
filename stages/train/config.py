"""Options of the stage ``train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from core.kinds.family_options import FamilyOptions, family_options
from core.kinds.training import ImageCache
from core.options.fields import presentation, shared
from core.options.ranges import NonNegative, Positive, PositiveFloat, Range
from core.options.sizes import DEFAULT

PR_CURVE = "PR_curve.png"
"""One of the charts; a training without it has none."""


@dataclass
class TrainConfig:
    """Options of the stage.

    Attributes:
        model: Which network, e.g. yolov5s or yolov5n6; null: that of the weights.
        weights: Weights to start from; null: random ones.
        data: Path of the data.yaml.
        imgsz: Side of the network's input, pixels.
        classes: Only these classes, names or numbers; null: all.
        resume: Resume the interrupted training of these options.
        train_split: Split to train on.
        val_split: Split to validate on after each epoch.
        single_class: Treat all classes as one, called object.
        epochs: Number of training epochs.
        batch: Images per batch, of all processes together; auto: the largest that fits.
        workers: Processes that read images, for each training process; 0: none.
        patience: Early stopping: epochs without improvement; 0 disables it.
        time: Stop before the epoch that would end after this many hours; null disables it.
        val_every: Epochs between validations; the last epoch is always validated.
        cache: Where decoded images are kept.
        tracker: Experiment trackers: they record losses, scores and images.
        plots: Draw curves and sample pages at the end; also for a training that is reused and has none.
        processor: Pre- and post-processing of the validation.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
        training: Options of the model family, under the name of this stage as well.
    """

    model: str | None = shared("model")
    weights: str | None = shared("weights", place=True)
    data: str | None = shared("data", place=True)
    imgsz: Any = shared("imgsz", otherwise=DEFAULT)
    classes: Any = shared("classes")
    resume: bool = shared("resume", presentation=True)
    train_split: str = "train"
    val_split: str = "val"
    single_class: bool = shared("single_class")
    epochs: Positive = 100
    batch: Annotated[Any, Range(1, 65536, whole=True, words=("auto",))] = 16
    workers: Annotated[int, Range(0, 1024)] = presentation(2)
    patience: NonNegative = 100
    time: PositiveFloat | None = None
    val_every: Positive = 1
    cache: ImageCache = presentation(ImageCache.none)
    tracker: Any = shared("tracker", kind="trackers", presentation=True)
    plots: bool = presentation(True)  # noqa: FBT003
    processor: str = shared("processor", kind="processors")
    max_pixels: int = shared("max_pixels", presentation=True)
    training: FamilyOptions = family_options()
