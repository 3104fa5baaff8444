"""Stage ``predict``: boxes in pictures, video and streams, drawn and as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Engine, GraftedModel, OnnxModel, Predictions, QuantizedModel
from core.errors import HooklineError, unknown
from core.kinds.stage import Known, Stage
from core.media.source import SourceKind, list_source
from core.planning.known import refusals
from core.planning.opening import ARTIFACTS, ModelForm
from core.plugins.hookspecs import hookimpl
from stages.predict.config import PRESETS, PredictConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def predict(
    config: PredictConfig,
    model: Engine | GraftedModel | QuantizedModel | OnnxModel | Checkpoint,
    context: RunContext,
) -> Predictions:
    """Find boxes in every frame of the source."""
    from stages.predict.prediction import predict_source

    return predict_source(config, model, context)


def select(config: PredictConfig) -> Collection[type[Artifact]]:
    """The artifact that ``predict.model`` names."""
    return {ARTIFACTS[config.model]}


def check(config: PredictConfig) -> Iterable[HooklineError]:
    """A source that is not there or cannot be resumed."""
    if config.source is None:
        yield HooklineError(
            "predict has nothing to look at", "give source=<image, folder, glob, .txt list, video, camera or address>"
        )
        return
    try:
        source = list_source(config.source)
    except HooklineError as problem:
        yield problem
        return
    if config.draw and config.preset not in PRESETS:
        yield unknown("predict.preset", config.preset, PRESETS)
    if config.resume and source.kind is SourceKind.stream:
        yield HooklineError(f"the stream '{source.text}' cannot be resumed", "leave resume=true out")


def resumable(config: PredictConfig) -> bool:
    """Frames of a live stream do not come twice; images and videos do."""
    try:
        return list_source(config.source).kind is not SourceKind.stream
    except HooklineError:  # it is gone since the run began, and may come back
        return True


def check_inputs(config: PredictConfig, inputs: Mapping[str, Known]) -> Iterable[HooklineError]:
    """Yield classes that the model lacks, and an input size off the stride of a checkpoint."""
    from core.data.classes import class_ids
    from core.options.sizes import network_size

    model = inputs.get("model", Known())
    if model.names is not None:
        yield from refusals(class_ids, config.classes, model.names)
    if config.model is ModelForm.checkpoint and config.imgsz is not None:
        yield from refusals(network_size, config.imgsz, model.max_stride or 1)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="predict",
        summary="find boxes in images, video or a stream, and draw them",
        run=predict,
        select=select,
        check=check,
        check_inputs=check_inputs,
        stored=False,
        automatic=False,
        incremental=True,
        resumable=resumable,
    )
