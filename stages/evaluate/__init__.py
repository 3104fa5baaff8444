"""Stage ``evaluate``: accuracy and speed of any model on one split of a data set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Dataset, Engine, GraftedModel, Metrics, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.stage import Known, Stage, families_of_inputs
from core.options.model_form import ARTIFACTS, ModelForm
from core.options.sizes import DEFAULT, network_size
from core.planning.known import refusals
from core.plugins.hookspecs import hookimpl
from stages.evaluate.config import EvaluateConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def evaluate(
    config: EvaluateConfig,
    dataset: Dataset,  # first, so that a mistake in the data is reported before a model is built
    model: Engine | GraftedModel | QuantizedModel | OnnxModel | Checkpoint,
    heads: QuantizedModel | None,
    context: RunContext,
) -> Metrics:
    """Measure ``model`` on ``dataset``; ``heads`` is the model before the graft, where ``model`` was made from it."""
    from stages.evaluate.evaluating import evaluate_model

    return evaluate_model(config, model, dataset, context, heads)


def select(config: EvaluateConfig) -> Collection[type[Artifact]]:
    """Return the model that ``evaluate.model`` names."""
    return {ARTIFACTS[config.model]}


def fingerprint(config: EvaluateConfig) -> Mapping[str, str]:
    """Return the input size that the options set; images and model are inputs."""
    default = DEFAULT if config.model is ModelForm.checkpoint else None
    return {"imgsz": str(default if config.imgsz is None else config.imgsz)}


def supplement(
    config: EvaluateConfig, artifact: Metrics, inputs: Mapping[str, Artifact], context: RunContext
) -> Callable[[Path], None] | None:
    """Return a function that lists the suspects of a stored evaluation, if they are not those of the options."""
    from stages.evaluate.suspects_files import supplement_of

    dataset = inputs["dataset"]
    assert isinstance(dataset, Dataset)
    return supplement_of(config, artifact, dataset, context)


def check(config: EvaluateConfig) -> Iterable[HooklineError]:
    """Yield a missing split."""
    from core.data.dataset import split_problems

    if config.data:
        yield from split_problems(config.data, config.split, "evaluate.split")


def check_inputs(config: EvaluateConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield classes that the data set does not have, and a model of other classes; warn of other names."""
    from core.data.classes import check_class_names, class_ids
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
    """Register the stage."""
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
        supplement=supplement,
        measures=True,
        lineage={"heads": "model"},
    )
