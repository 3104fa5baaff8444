"""Options of the stage ``train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from core.kinds.family_options import FamilyOptions, family_options
from core.options.fields import presentation, shared
from core.options.ranges import ImageDepth, NonNegative, Positive, PositiveFloat, Range
from core.options.sizes import DEFAULT
from core.options.training import ImageCache

PR_CURVE = "PR_curve.png"
"""File of a chart. A training run without this file has no charts."""


@dataclass
class TrainConfig:
    """Options of the stage ``train`` for any model family.

    Attributes:
        model: Network to train, e.g. yolov5s or yolov5n6; null: the network of the weights.
        weights: Initial weights: a checkpoint or an official name; null: random weights.
        data: Path of the data.yaml.
        imgsz: Input size: side of the square network input in pixels, a multiple of the largest stride.
        classes: Train on these classes only, names or ids; null: all classes.
        resume: Resume the interrupted training with the same options.
        train_split: Split of the data.yaml to train on.
        val_split: Split of the data.yaml to validate on.
        single_class: Train on all classes as a single class named object.
        epochs: Number of training epochs.
        batch: Batch size in images, of all processes together; auto: the largest that fits into memory.
        workers: Number of data loader processes per training process; 0 loads images in the training process.
        patience: Early stopping: epochs without improvement of the fitness; 0 disables it.
        time: Time limit in hours: no epoch is started that would end later; null disables it.
        val_every: Validation interval in epochs; the last epoch is always validated.
        cache: Cache of decoded images: ram, or none to read the files in each epoch.
        tracker: Experiment trackers of losses, metrics and images, one name or a list.
        plots: Save plots at the end: curves, confusion matrix, predictions; also for a reused result without them.
        processor: Processor (pre- and post-processing) of the validation.
        max_pixels: Maximum width x height of an image in pixels, checked in the header before decoding.
        image_depth: Value that becomes 255 in images with more than 8 bits per channel: auto, full or a number.
        training: Options of the model family. Each can also be set as train.<name>.
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
    image_depth: ImageDepth = shared("image.depth")
    training: FamilyOptions = family_options()
