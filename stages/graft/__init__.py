"""Stage ``graft``: append the decode step to a model, so that it outputs boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, GraftedModel, QuantizedModel
from core.errors import HooklineError
from core.files.paths import output_path
from core.kinds.lookup import AUTO
from core.kinds.runtime import Runtime
from core.kinds.stage import Known, Stage
from core.model_facts import DECODED
from core.planning.known import known_of, layouts_of, refusals
from core.plugins.hookspecs import hookimpl
from stages.graft.config import GraftConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def graft(config: GraftConfig, model: QuantizedModel, context: RunContext) -> GraftedModel:
    """Append the decode step to ``model``."""
    from stages.graft.finishing import finish

    for problem in check_inputs(config, {"model": known_of(model)}, context):
        raise problem
    name = settle(config, {"model": model}, context).decode
    target = output_path(context.workdir, f"{model.facts.variant}-{model.precision.value}-decoded.onnx")
    head = context.head(model.facts, model.layout)
    operators = context.graft(name).append(model, head, target, score_threshold=config.score_threshold)
    finish(target, model, name, config.score_threshold, context.registry)
    return GraftedModel(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=model.contract,
        layout=DECODED,
        precision=model.precision,
        runtime=model.runtime,
        fixed_sizes=model.fixed_sizes,
        graft=name,
        score_threshold=config.score_threshold,
        operators=operators,
    )


def settle(config: GraftConfig, inputs: Mapping[str, Artifact], context: RunContext) -> GraftConfig:
    """Replace ``decode=auto`` by the graft for the family and the runtime of the model.

    Raises:
        HooklineError: No graft fits both.
    """
    from stages.graft.choosing import choose, skipped

    model = inputs["model"]
    if not isinstance(model, QuantizedModel):
        return config
    runtime = context.registry.get(Runtime, model.runtime)
    family = context.family(model.facts.family)
    chosen = choose(config.decode, family, runtime, context)
    if config.decode == AUTO and (reasons := skipped(chosen, family, runtime, context)):
        context.note(f"decode: {chosen.name} ({reasons})")
    return replace(config, decode=chosen.name)


def known(inputs: Mapping[str, Known]) -> Known:
    """Return the known facts of the grafted model: those of the quantised model, decoded."""
    return replace(inputs.get("model", Known()), layout=DECODED)


def check_inputs(config: GraftConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield why no decode step can be appended: the layout of the model, or no suitable graft."""
    from stages.graft.choosing import choose

    model, runtimes = inputs.get("model", Known()), context.registry.all(Runtime)
    layouts = layouts_of(model, context)
    if layouts and model.layout not in {None, layouts[0]}:
        yield HooklineError(
            f"{model.title or 'the model'} has the layout {model.layout}, to which no decode step can be appended",
            f"set export.layout={layouts[0]}; for an ONNX file, use the checkpoint instead, or predict.model=quantized",
        )
    elif layouts and (runtime := runtimes.get(model.runtime or "")):
        yield from refusals(choose, config.decode, context.family(str(model.family)), runtime, context)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    yield Stage(
        name="graft",
        summary="append the decode step, so that the model outputs boxes",
        run=graft,
        known=known,
        check_inputs=check_inputs,
        settle=settle,
    )
