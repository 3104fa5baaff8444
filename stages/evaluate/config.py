"""Options of the stage ``evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from core.options.fields import presentation, shared
from core.options.model_form import ModelForm
from core.options.ranges import BatchSize, Fraction, Positive, Range


class MultiLabel(str, Enum):
    """Which classes of a box count.

    ``all``: each class that reaches ``conf``, as in the published figures. ``best``: the best class, as in deployment.
    ``auto``: ``all`` if the model gives the scores of all classes, else ``best``.
    """

    auto = "auto"
    all = "all"
    best = "best"


class DecodeCost(str, Enum):
    """Whether to measure the mAP that the decode step of an engine costs, with a second inference of each image.

    ``auto``: for up to 1,000 images, if the plan has the model before the graft. ``always``: also for more images; a
    plan without that model is an error. ``never``: no.
    """

    auto = "auto"
    always = "always"
    never = "never"


@dataclass
class EvaluateConfig:
    """Options of the stage.

    Attributes:
        model: Model to measure: ``engine``; ``grafted``: the ONNX file from which the engine is built; ``quantized``:
            the model before the graft, in any precision; ``heads``: the exported float32 ONNX file; ``checkpoint``: the
            weights in PyTorch.
        data: Path of the data.yaml.
        split: Split of the data set to measure on.
        conf: Minimum score of a box, 0..1; null: 0.001, for the whole precision-recall curve.
        iou: IoU threshold of NMS, 0..1; null: 0.6.
        max_det: Maximum number of boxes per image.
        multi_label: Which classes of a box count.
        decode_cost: Measure what the decode step in an engine costs: the score threshold and one class per box, each
            alone and both, with the model before the graft on the same images.
        classes: Only these classes, names or numbers; null: all.
        single_class: Treat all classes of the data set as one, for a model that was trained with single_class.
        batch: Images per inference.
        rectangular: Sort images by aspect ratio; each batch has the smallest shape that holds its images. For a
            checkpoint, or a model with export.dynamic=[height,width].
        upscale: Enlarge images that are smaller than the input; validation during training does not.
        imgsz: Input size of a checkpoint (null: 640), or of a model with dynamic height and width (null: its own).
        processor: Pre- and post-processing.
        plots: Draw curves, the confusion matrix, and pages with labels and predictions side by side.
        suspects: Maximum number of images in suspects.html and suspects.txt: the images with labels that the model
            contradicts with most confidence, worst first, for re-labelling. 0: none.
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
    suspects: Annotated[int, Range(0, 10_000)] = presentation(0)
    max_pixels: int = shared("max_pixels")
