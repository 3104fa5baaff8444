"""Stage ``train``: labelled pictures become a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.artifacts import Artifact, Checkpoint, Dataset
from core.config import presentation, shared
from core.errors import HooklineError
from core.families import families_of_inputs
from core.hookspecs import hookimpl
from core.imgsz import DEFAULT
from core.known import Known
from core.ranges import Fraction, NonNegative, NonNegativeFloat, Positive, PositiveFloat, Range
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

PR_CURVE = "PR_curve.png"
"""One of the charts; a training without it has none."""


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


class Cache(str, Enum):
    """Where decoded pictures are kept: nowhere (``none``) or in memory (``ram``)."""

    none = "none"
    ram = "ram"


@dataclass
class TrainConfig:
    """Options of the stage.

    Attributes:
        model: Which network, e.g. yolov5s or yolov5n6; null: that of the weights.
        weights: Weights to start from; null: random ones.
        data: Path of the data.yaml.
        imgsz: Side of the network's input, pixels.
        classes: Only these classes, names or numbers; null: all.
        resume: Go on with the training of these options that was interrupted.
        train_split: Split to train on.
        val_split: Split to validate on after each epoch.
        single_class: Treat all classes as one, called object.
        epochs: Number of training epochs.
        batch: Images per batch, of all processes together; auto: the largest that fits.
        workers: Processes that read images, for each training process; 0: none.
        patience: Stop when fitness has not grown for so many epochs; 0: never.
        time: Stop before the epoch that would end later than after so many hours; null: never.
        val_every: Validate after every so many epochs, and after the last one.
        cache: Where decoded images are kept.
        rect: Batches of images of one shape, each in the smallest input that holds them; without mosaic.
        multi_scale: Change the input's side from batch to batch by up to half.
        image_weights: Draw images more often whose classes are found badly.
        freeze: Leave the first so many layers as they are (10: the backbone).
        autoanchor: Fit anchors to the boxes where the given ones miss more than 2 % of them.
        amp: Mixed precision.
        channels_last: Keep images and features as NHWC in memory, which is faster.
        compile: Compile the network with torch.compile.
        optimizer: Which optimiser.
        lr0: Learning rate after the warm-up.
        lrf: The last learning rate as a fraction of lr0.
        cos_lr: Go from lr0 to the last one along a half cosine instead of a line.
        momentum: Of SGD; beta1 of Adam.
        weight_decay: On the weights of convolutions, for the nominal batch.
        nominal_batch: Gradients of smaller batches are summed until this many images were seen.
        warmup_epochs: Length of the warm-up; at least 100 batches unless 0.
        warmup_momentum: Momentum at its start.
        warmup_bias_lr: Learning rate of the biases at its start.
        clip: Largest norm of the gradient; 0: no limit.
        box: Gain of the box term of the loss.
        obj: Gain of the objectness term.
        cls: Gain of the class term.
        obj_pw: Weight of positives in the objectness term.
        cls_pw: Weight of positives in the class term.
        label_smoothing: Class targets are 1 - e/2 and e/2.
        anchor_t: A box matches an anchor when no side differs by this factor.
        mosaic: Probability that four images become one.
        close_mosaic: No mosaic in the last so many epochs.
        mixup: Probability that a mosaic is blended with another one.
        degrees: Rotation by up to plus or minus so many degrees.
        translate: Shift by up to plus or minus this share of the image.
        scale: Zoom by 1 - scale to 1 + scale.
        shear: Shear by up to plus or minus so many degrees.
        perspective: Perspective by up to plus or minus so much a pixel, 0 to 0.001.
        hsv_h: Hue changes by up to plus or minus so much.
        hsv_s: Saturation changes by up to plus or minus so much.
        hsv_v: Value changes by up to plus or minus so much.
        fliplr: Probability of a left-right mirror image.
        flipud: Probability of an up-down mirror image.
        tracker: Experiment trackers: they record losses, scores and images.
        plots: Draw curves and sample pages at the end; also for a training that is reused and has none.
        processor: Pre- and post-processing of the validation.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
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
    cache: Cache = presentation(Cache.none)
    rect: bool = False
    multi_scale: bool = False
    image_weights: bool = False
    freeze: NonNegative = 0
    autoanchor: bool = True
    amp: Amp = Amp.auto
    channels_last: bool = True
    compile: bool = False
    optimizer: Optimizer = Optimizer.sgd
    lr0: PositiveFloat = 0.01
    lrf: Fraction = 0.01
    cos_lr: bool = False
    momentum: Fraction = 0.937
    weight_decay: NonNegativeFloat = 5e-4
    nominal_batch: Positive = 64
    warmup_epochs: NonNegativeFloat = 3.0
    warmup_momentum: Fraction = 0.8
    warmup_bias_lr: NonNegativeFloat = 0.1
    clip: NonNegativeFloat = 10.0
    box: NonNegativeFloat = 0.05
    obj: NonNegativeFloat = 1.0
    cls: NonNegativeFloat = 0.5
    obj_pw: PositiveFloat = 1.0
    cls_pw: PositiveFloat = 1.0
    label_smoothing: Fraction = 0.0
    anchor_t: Annotated[float, Range(1, above=True)] = 4.0
    mosaic: Fraction = 1.0
    close_mosaic: NonNegative = 0
    mixup: Fraction = 0.0
    degrees: Annotated[float, Range(0, 180)] = 0.0
    translate: Fraction = 0.1
    scale: Annotated[float, Range(0, 0.99)] = 0.5
    shear: Annotated[float, Range(0, 60)] = 0.0
    perspective: Annotated[float, Range(0, 0.001)] = 0.0
    hsv_h: Fraction = 0.015
    hsv_s: Fraction = 0.7
    hsv_v: Fraction = 0.4
    fliplr: Fraction = 0.5
    flipud: Fraction = 0.0
    tracker: Any = shared("tracker", kind="trackers", presentation=True)
    plots: bool = presentation(True)  # noqa: FBT003
    processor: str = shared("processor", kind="processors")
    max_pixels: int = shared("max_pixels", presentation=True)


def train(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> Checkpoint:
    """Train a network on ``dataset``, from the weights ``start`` where they are given."""
    from stages.train.training import train_model

    return train_model(config, dataset, start, context)


def select(config: TrainConfig) -> Collection[type[Artifact]]:
    """Weights to start from, unless the training is to begin with random ones."""
    return [Checkpoint] if config.weights else []


def supplement(
    config: TrainConfig, trained: Checkpoint, inputs: Mapping[str, Any], context: RunContext
) -> Callable[[Path], None] | None:
    """Charts for a training that was made with ``train.plots=false``."""
    if not config.plots or (trained.path.parent / PR_CURVE).is_file():
        return None
    from stages.train.training import drawing

    return drawing(config, trained, inputs["dataset"], context)


def check(config: TrainConfig, context: RunContext) -> Iterable[HooklineError]:
    """Numbers out of range, splits and networks that are not there."""
    from stages.train.checks import problems

    yield from problems(config, context)


def families(config: TrainConfig, inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the family of ``train.model``, or that of the weights."""
    from stages.train.checks import variants_of

    return [variants_of(context)[config.model]] if config.model else families_of_inputs(config, inputs, context)


def known(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the classes of the data set, and the stride of the network."""
    from stages.train.checks import known_network

    return known_network(config, inputs, context)


def check_inputs(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield what does not fit: classes that the data set lacks, an input size off the stride of the network."""
    from stages.train.checks import fitting_problems

    yield from fitting_problems(config, inputs, context)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="train",
        summary="train a network on labelled images",
        run=train,
        packages=("numpy", "opencv"),
        families=families,
        select=select,
        check=check,
        known=known,
        check_inputs=check_inputs,
        automatic=False,
        resumable=True,
        incremental=True,
        collective=True,
        supplement=supplement,
    )
