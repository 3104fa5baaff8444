"""Stage ``predict``: find boxes in images, video and streams; draw them and write them as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Engine, GraftedModel, OnnxModel, Predictions, QuantizedModel
from core.errors import HooklineError, unknown
from core.kinds.stage import Known, Stage
from core.options.model_form import ARTIFACTS, ModelForm
from core.options.sizes import network_size
from core.planning.known import refusals
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
    from stages.predict.predicting import predict_source

    return predict_source(config, model, context)


def select(config: PredictConfig) -> Collection[type[Artifact]]:
    """Return the artifact that ``predict.model`` names."""
    return {ARTIFACTS[config.model]}


def check(config: PredictConfig) -> Iterable[HooklineError]:
    """Yield a missing source, an unknown preset, and a source that cannot be resumed."""
    from core.media.source import SourceKind, list_source

    if config.source is None:
        yield HooklineError(
            "predict has no source", "give source=<image, folder, glob, .txt list, video, camera or address>"
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
        yield HooklineError(f"the stream '{source.text}' cannot be resumed", "omit resume=true")


def resumable(config: PredictConfig) -> bool:
    """Return whether a run over the source can be resumed; a live stream cannot be read again."""
    from core.media.source import SourceKind, list_source

    try:
        return list_source(config.source).kind is not SourceKind.stream
    except HooklineError:  # removed since the run began; it may be restored
        return True


def check_inputs(config: PredictConfig, inputs: Mapping[str, Known]) -> Iterable[HooklineError]:
    """Yield classes that the model does not have, and an input size that is not a multiple of a checkpoint's stride."""
    from core.data.classes import class_ids

    model = inputs.get("model", Known())
    if model.names is not None:
        yield from refusals(class_ids, config.classes, model.names)
    if config.model is ModelForm.checkpoint and config.imgsz is not None:
        yield from refusals(network_size, config.imgsz, model.max_stride or 1)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
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
