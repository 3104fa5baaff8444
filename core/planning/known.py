"""Facts about the artifacts of a plan before these exist, and whether the steps fit together.

Facts come from sidecars, official names and data.yaml files. ``Stage.known`` adds facts from the options of a stage;
``Stage.check_inputs`` compares them with the options of later stages. The plan compares once, and the runner after each
step: the content of a ``.pt`` file, for example, is known only after ``load``, but before a training run or a build.
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
    """Return the facts about an existing artifact."""
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
    """Return the facts about the artifact of a step without inputs, before the step runs."""
    return step.stage.known(step.config, {}, context) if step.stage.known and not step.inputs else Known()


def layouts_of(model: Known, context: RunContext) -> tuple[str, ...]:
    """Return the layouts of a model's family, first the one that all later stages take; empty for an unknown family."""
    family = context.registry.all(ModelFamily).get(model.family or "")
    return family.layouts if family else ()


def fitting_problems(steps: Sequence[Step], made: Sequence[Artifact], context: RunContext) -> Iterator[HooklineError]:
    """Yield the mistakes that the remaining steps would refuse.

    Args:
        steps: Steps of the plan.
        made: Artifacts of the finished steps.
        context: Context of the run.
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
    """Return the facts about the result of a step; a model made from a model keeps the facts."""
    if step.stage.known:
        return step.stage.known(step.config, inputs, context)
    models = [inputs[name] for name, index in step.inputs.items() if issubclass(steps[index].provides, MODELS)]
    return models[0] if models and issubclass(step.provides, MODELS) else Known()
