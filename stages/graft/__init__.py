"""Stage ``graft``: a heads model gets the decode appended, so that it ends in boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.artifacts import GraftedModel, Layout, QuantizedModel
from core.config import chosen
from core.hookspecs import hookimpl
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


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(name="graft", summary="append the decode, so that the graph ends in boxes", run=graft)
