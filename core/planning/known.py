"""What is known of the artifacts of a plan before they exist, and whether the steps fit together by it.

Sidecars, official names and data.yaml files say what a model or a data set is. ``Stage.known`` adds what the options of
a stage decide; ``Stage.check_inputs`` compares it with the options of the stages that follow. The comparison is made
with the plan, and again whenever a step has made its artifact: what a ``.pt`` holds is known only then, which is still
before a training or a build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ParamSpec, get_args

from core.artifacts import AnyModel, Artifact, Dataset
from core.errors import HooklineError
from core.kinds.family_options import family_options_of
from core.kinds.model import ModelFamily
from core.kinds.stage import Known

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Step

P = ParamSpec("P")
MODELS = get_args(AnyModel)


def known_of(artifact: Artifact) -> Known:
    """Return the facts of an artifact that exists."""
    if isinstance(artifact, Dataset):
        return Known("the data set", artifact.names)
    if not isinstance(artifact, AnyModel):
        return Known(artifact.path.name)
    return Known(
        title=f"'{artifact.path.name}'",
        names=artifact.facts.names,
        max_stride=artifact.facts.max_stride,
        precision=getattr(artifact, "precision", None),
        layout=getattr(artifact, "layout", None),
        runtime=getattr(artifact, "runtime", None),
        family=artifact.facts.family,
    )


def known_source(step: Step, context: RunContext) -> Known:
    """Return what is known of the artifact of a step that has no inputs, before the step runs."""
    return step.stage.known(step.config, {}, context) if step.stage.known and not step.inputs else Known()


def layouts_of(model: Known, context: RunContext) -> tuple[str, ...]:
    """Return the layouts of a model's family, first the one that all later stages take; empty where it is not known."""
    family = context.registry.all(ModelFamily).get(model.family or "")
    return family.layouts if family else ()


def fitting_problems(steps: Sequence[Step], made: Sequence[Artifact], context: RunContext) -> Iterator[HooklineError]:
    """Yield what the steps that have not run yet will refuse.

    Args:
        steps: Of the plan.
        made: The artifacts of the steps that have run.
        context: Of the run.
    """
    known = [known_of(artifact) for artifact in made]
    for step in steps[len(made) :]:
        inputs = {name: known[index] for name, index in step.inputs.items()}
        if step.stage.check_inputs:
            yield from step.stage.check_inputs(step.config, inputs, context)
        result = _result(step, inputs, steps, context)
        if result.family is not None:
            yield from family_options_of(step.config).foreign(step.stage.name, result.family, context.registry)
        known.append(result)


def refusals(check: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> Iterator[HooklineError]:
    """Yield the mistake that a call raises, if any."""
    try:
        check(*arguments, **named)
    except HooklineError as problem:
        yield problem


def _result(step: Step, inputs: Mapping[str, Known], steps: Sequence[Step], context: RunContext) -> Known:
    """What is known of the result of a step; a model that is made of a model keeps its facts."""
    if step.stage.known:
        return step.stage.known(step.config, inputs, context)
    models = [inputs[name] for name, index in step.inputs.items() if issubclass(steps[index].provides, MODELS)]
    return models[0] if models and issubclass(step.provides, MODELS) else Known()
