"""Stage ``graft``: a heads model gets the decode appended, so that it ends in boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.artifacts import GraftedModel, Layout, QuantizedModel
from core.config import chosen
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.known import Known
from core.output_paths import output_path
from core.ranges import Fraction
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class GraftConfig:
    """Options of the stage.

    Attributes:
        name: Which graft.
        score_threshold: Objectness below which the graph drops a box, 0..1. What it drops no later
            step can bring back: evaluate needs 0.001.
        namespace: Domain and plugin namespace of the node; empty writes the bare node for C++ builds
            of the plugin.
    """

    name: str = chosen("yolo_layer", kind="grafts")
    score_threshold: Fraction = 0.25
    namespace: str = "hookline"


def graft(config: GraftConfig, model: QuantizedModel, context: RunContext) -> GraftedModel:
    """Append the decode to ``model``."""
    target = output_path(context.workdir, f"{model.facts.variant}-{model.precision.value}-decoded.onnx")
    operators = context.graft(config.name).append(
        model, target, score_threshold=config.score_threshold, namespace=config.namespace
    )
    return GraftedModel(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=model.contract,
        layout=Layout.decoded,
        precision=model.precision,
        runtime=model.runtime,
        fixed_sizes=model.fixed_sizes,
        graft=config.name,
        score_threshold=config.score_threshold,
        operators=operators,
    )


def known(_config: GraftConfig, inputs: Mapping[str, Known], _context: RunContext) -> Known:
    """Return what is known of the quantised model, which now ends in boxes."""
    return replace(inputs.get("model", Known()), layout=Layout.decoded)


def check_inputs(_config: GraftConfig, inputs: Mapping[str, Known], _context: RunContext) -> Iterable[HooklineError]:
    """Yield why no decode can follow: the model does not end in heads."""
    model = inputs.get("model", Known())
    if model.layout is Layout.classic:
        yield HooklineError(
            f"{model.title or 'the model'} has the layout classic, which no decode can follow",
            "set export.layout=heads; of an ONNX file, give the checkpoint instead, or predict.model=quantized",
        )


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="graft",
        summary="append the decode, so that the graph ends in boxes",
        run=graft,
        known=known,
        check_inputs=check_inputs,
    )
