"""Stage ``train``: labelled pictures become a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.artifacts import Artifact, Checkpoint, Dataset
from core.config import presentation, shared
from core.errors import HooklineError
from core.families import families_of_inputs
from core.family_options import FamilyOptions, family_options
from core.hookspecs import hookimpl
from core.imgsz import DEFAULT
from core.known import Known
from core.ranges import NonNegative, Positive, PositiveFloat, Range
from core.stage import Stage
from core.training_choices import Cache

if TYPE_CHECKING:
    from core.context import RunContext

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
    cache: Cache = presentation(Cache.none)
    tracker: Any = shared("tracker", kind="trackers", presentation=True)
    plots: bool = presentation(True)  # noqa: FBT003
    processor: str = shared("processor", kind="processors")
    max_pixels: int = shared("max_pixels", presentation=True)
    training: FamilyOptions = family_options()


def train(config: TrainConfig, dataset: Dataset, start: Checkpoint | None, context: RunContext) -> Checkpoint:
    """Train a network on ``dataset``, from the weights ``start`` where they are given."""
    from stages.train.training import train_model

    return train_model(config, dataset, start, context)


def select(config: TrainConfig) -> Collection[type[Artifact]]:
    """Weights to start from, unless the training is to begin with random ones."""
    return [Checkpoint] if config.weights else []


def supplement(
    config: TrainConfig, artifact: Checkpoint, inputs: Mapping[str, Artifact], context: RunContext
) -> Callable[[Path], None] | None:
    """Charts for a training that was made with ``train.plots=false``."""
    if not config.plots or (artifact.path.parent / PR_CURVE).is_file():
        return None
    from stages.train.training import drawing

    dataset = inputs["dataset"]
    assert isinstance(dataset, Dataset)
    return drawing(config, artifact, dataset, context)


def check(config: TrainConfig, context: RunContext) -> Iterable[HooklineError]:
    """Numbers out of range, splits and networks that are not there."""
    from stages.train.checks import problems

    yield from problems(config, context)


def families(config: TrainConfig, inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the family of ``train.model``, or that of the weights."""
    from stages.train.checks import variants_of

    return [variants_of(context)[config.model]] if config.model else families_of_inputs(inputs, context)


def known(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the classes of the data set, and the family and stride of the network."""
    from stages.train.checks import known_network

    return known_network(config, inputs, context)


def check_inputs(config: TrainConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield classes that the data set lacks, an input size off the stride, and weights of another model family."""
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
