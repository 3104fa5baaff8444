"""Stage ``evaluate``: accuracy and speed of any model on one split of a data set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from core.artifacts import Artifact, Checkpoint, Dataset, Engine, GraftedModel, Metrics, OnnxModel, QuantizedModel
from core.config import shared
from core.errors import HooklineError
from core.families import families_of_inputs
from core.hookspecs import hookimpl
from core.imgsz import DEFAULT
from core.known import Known, refusals
from core.opening import ARTIFACTS, ModelForm
from core.ranges import BatchSize, Fraction, Positive
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


class MultiLabel(str, Enum):
    """Which classes of a box count.

    ``all``: each that reaches ``conf``, as the published figures are measured. ``best``: the best one, as in
    deployment. ``auto``: ``all`` where the model still has the scores of all classes, else ``best``.
    """

    auto = "auto"
    all = "all"
    best = "best"


class DecodeCost(str, Enum):
    """Whether the mAP that an engine's own decode costs is measured, by a second inference of each image.

    ``auto``: for up to 1,000 images, where the plan holds the model before the graft. ``always``: also for more images;
    a plan that does not hold that model is an error. ``never``: not at all.
    """

    auto = "auto"
    always = "always"
    never = "never"


@dataclass
class EvaluateConfig:
    """Options of the stage.

    Attributes:
        model: Which artifact of the chain is measured.
        data: Path of the data.yaml.
        split: Split of the data set to measure on.
        conf: Least score of a box, 0..1; null: 0.001, so that the whole curve is seen.
        iou: NMS overlap, 0..1; null: 0.6.
        max_det: Maximum number of boxes per image.
        multi_label: Which classes of a box count.
        decode_cost: Measure what the decode inside an engine costs: the score threshold and one class per box, each
            alone and both, on the model before the graft and the same images.
        classes: Only these classes, names or numbers; null: all.
        single_class: Treat all classes of the data set as one; for a model that was trained so.
        batch: Images per inference.
        rectangular: Images by aspect ratio, each batch in the smallest shape that holds them; for a checkpoint, or a
            model with export.dynamic=[height,width].
        upscale: Enlarge images that are smaller than the input; the validation of a training does not.
        imgsz: Input size of a checkpoint (null: 640), or of a model with dynamic height and width (null: its own).
        processor: Pre- and post-processing.
        plots: Draw curves, the confusion matrix and pages of predictions beside the labels.
        max_pixels: Maximum width x height of an image; the header is checked before anything is decoded.
    """

    model: ModelForm = ModelForm.engine
    data: str | None = shared("data", place=True)
    split: str = "val"
    conf: Fraction | None = shared("conf")
    iou: Fraction | None = shared("iou")
    max_det: Positive = shared("max_det")
    multi_label: MultiLabel = MultiLabel.auto
    decode_cost: DecodeCost = DecodeCost.auto
    classes: Any = shared("classes")
    single_class: bool = shared("single_class")
    batch: BatchSize = 1
    rectangular: bool = False
    upscale: bool = True
    imgsz: Any = shared("imgsz", fingerprinted=True)
    processor: str = shared("processor", kind="processors")
    plots: bool = True
    max_pixels: int = shared("max_pixels")


def evaluate(
    config: EvaluateConfig,
    dataset: Dataset,  # first, so that a mistake in the data is told before a model is built
    model: Engine | GraftedModel | QuantizedModel | OnnxModel | Checkpoint,
    heads: QuantizedModel | None,
    context: RunContext,
) -> Metrics:
    """Measure ``model`` on ``dataset``; ``heads`` is the model before the graft, where ``model`` was made from it."""
    from stages.evaluate.measure import measure

    return measure(config, model, dataset, context, heads)


def select(config: EvaluateConfig) -> Collection[type[Artifact]]:
    """The model that ``evaluate.model`` names."""
    return {ARTIFACTS[config.model]}


def fingerprint(config: EvaluateConfig) -> Mapping[str, str]:
    """Return the input size that the options give the model; images and model are inputs."""
    default = DEFAULT if config.model is ModelForm.checkpoint else None
    return {"imgsz": str(default if config.imgsz is None else config.imgsz)}


def check(config: EvaluateConfig) -> Iterable[HooklineError]:
    """A split that is not there."""
    from core.dataset import split_problems

    if config.data:
        yield from split_problems(config.data, config.split, "evaluate.split")


def check_inputs(config: EvaluateConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield classes that the data set lacks, and a model and data of different classes; warn of other names."""
    from core.classes import check_class_names, class_ids
    from core.imgsz import network_size
    from core.labels import SINGLE_CLASS

    model, data = inputs.get("model", Known()), inputs.get("dataset", Known())
    if data.names is not None:
        yield from refusals(class_ids, config.classes, data.names)
    if data.names is not None and model.names is not None:
        names = SINGLE_CLASS if config.single_class else data.names
        try:
            if renamed := check_class_names(model.names, names):
                context.warn(renamed)
        except HooklineError as problem:
            yield problem
    if config.model is ModelForm.checkpoint and config.imgsz is not None:
        yield from refusals(network_size, config.imgsz, model.max_stride or 1)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="evaluate",
        summary="measure accuracy (COCO mAP, P, R) and speed on a data set",
        run=evaluate,
        packages=("numpy", "opencv", "pycocotools"),
        families=families_of_inputs,
        select=select,
        fingerprint=fingerprint,
        check=check,
        check_inputs=check_inputs,
        measures=True,
        lineage={"heads": "model"},
    )
