"""Which steps of a plan open models, with which runtime, and whether that runtime works on the device of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from core.artifacts import AnyModel, Artifact, Engine, OnnxModel
from core.errors import HooklineError
from core.kinds.lookup import AUTO, HOST, Parts
from core.kinds.runtime import Runtime
from core.kinds.stage import Input, Known, Stage
from core.options.fields import named_runtime, parts_of
from core.planning.known import known_source
from core.selection.choosing import runtime_with
from core.selection.openers import opener, opening_problems

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Step


def engine_runtime(registry: Parts, configs: Mapping[str, object]) -> str:
    """Return the runtime for which stages build engines, ``auto`` if none states one; the guess without a sidecar."""
    builders = (stage for stage in registry.all(Stage).values() if Engine in stage.signature.provides)
    return next(filter(None, (named_runtime(configs[stage.name]) for stage in builders)), AUTO)


def session_runtime(
    stage: Stage, config: object, inputs: Mapping[str, int], steps: Sequence[Step], *, engine: str, context: RunContext
) -> str:
    """Return the runtime of the session that a stage opens; :data:`core.kinds.lookup.HOST` if images stay on the host.

    Args:
        stage, config: The stage and its options.
        inputs: Index of the step that makes each input, by parameter.
        steps: Steps of the plan so far.
        engine: The runtime of an engine if neither a step nor a sidecar states one.
        context: For the runtimes.
    """
    opened = _opened(stage, config)
    if opened is None:
        return HOST
    if opened.name not in inputs:
        return engine  # the plan reports the missing input
    index = inputs[opened.name]
    try:
        return opener(steps[index].provides, _made_for(index, steps, context).runtime or engine, context)
    except HooklineError:  # placing_problems reports it
        return HOST


def opening_choices(steps: Sequence[Step], context: RunContext) -> Iterator[str]:
    """Yield a line about the runtime that opens the ONNX files of a plan."""
    opened = ((step, _opened(step.stage, step.config)) for step in steps)
    kinds = (steps[step.inputs[item.name]].provides for step, item in opened if item and item.name in step.inputs)
    if any(issubclass(kind, OnnxModel) for kind in kinds):
        yield runtime_with("opens_onnx", context)[1]


def placing_problems(steps: Sequence[Step], context: RunContext) -> list[HooklineError]:
    """Return the problems of steps that build or open models on an unsupported or missing device."""
    demands = dict.fromkeys(demand for step in steps for demand in _demands(step, steps, context))  # without repetition
    return [problem for demand in demands for problem in opening_problems(*demand[:2], context, demand[2])]


def _demands(step: Step, steps: Sequence[Step], context: RunContext) -> Iterator[tuple[type[Artifact], str, str]]:
    """Yield type, runtime and description of each model of a step, as arguments of :func:`opening_problems`."""
    built = named_runtime(step.config) if Engine in step.stage.signature.provides else ""
    if (runtime := context.registry.all(Runtime).get(built)) and not runtime.builds_anywhere:
        yield Engine, built, ""
    opened = _opened(step.stage, step.config)
    if opened is None or opened.name not in step.inputs:
        return
    index = step.inputs[opened.name]
    kind, made_for = steps[index].provides, _made_for(index, steps, context)
    if not issubclass(kind, Engine):
        yield kind, made_for.runtime or "", f"the {kind.__name__} for {step.stage.name}"
    elif made_for.runtime:
        yield kind, made_for.runtime, made_for.title


def _opened(stage: Stage, config: object) -> Input | None:
    """Return the input that a stage opens as a session: if the stage has a processor, the one that can be an engine."""
    if "processors" not in {kind for kind, _ in parts_of(config).values()}:
        return None
    return next((item for item in stage.signature.inputs if Engine in item.types), None)


def _made_for(index: int, steps: Sequence[Step], context: RunContext) -> Known:
    """Return the runtime that a step names, or that of its models, with the title of a given engine."""
    step = steps[index]
    if name := named_runtime(step.config):
        return Known(runtime=name)
    models = [item for item in step.inputs.values() if issubclass(steps[item].provides, get_args(AnyModel))]
    if models:
        found = (_made_for(item, steps, context) for item in models)
        return next((known for known in found if known.runtime), Known())
    source = known_source(step, context)
    return Known(source.title if issubclass(step.provides, Engine) else "", runtime=source.runtime)
