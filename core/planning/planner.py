"""Make a chain of stages from the request, and check all of it before anything runs.

The requested stages run in the given order. Before each, the plan adds stages that make its missing inputs. A newer
artifact replaces the older one of its type and everything made from that one, so a stage of a plugin between two others
takes effect on the later one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint
from core.containment.calls import PluginError
from core.errors import HooklineError, PlanError, with_article
from core.kinds.lifecycle import Plan, Step
from core.kinds.stage import Input, Stage
from core.options.fields import named_parts, shaping_parts
from core.planning.known import fitting_problems
from core.planning.option_checks import OptionChecks
from core.planning.producers import Producers
from core.planning.resolve import resolve_parts
from core.planning.sessions import engine_runtime, opening_choices, placing_problems, session_runtime
from core.selection.devices import unknown_device
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lookup import Parts
    from core.options.top_level import TopLevelOptions


def make_plan(
    asked: Sequence[str],
    configs: Mapping[str, DataclassInstance],
    context: RunContext,
    top_level: TopLevelOptions | None = None,
) -> Plan:
    """Plan a run.

    Args:
        asked: Names of the requested stages, in order.
        configs: Typed options by stage name, of all registered stages.
        context: For the stages and parts, and for their checks.
        top_level: The top-level options, for checks of their ranges.

    Raises:
        PlanError: Has all problems.
    """
    if wrong := unknown_device(context.device):
        raise PlanError([wrong])  # every part would report it
    options = OptionChecks(configs, top_level)
    planner = _Planner(configs, context, options)
    faults: dict[tuple[str, str], PluginError] = {}
    planner.problems.extend(options.general_problems(context, faults))
    if not asked:
        names = ", ".join(stage.name for stage in context.registry.all(Stage).values())
        planner.problems.append(
            HooklineError("nothing to do: no stage is requested", f"give +stage=<name>; possible: {names}")
        )
    for name in asked:
        planner.ask(name)
    planner.judge(faults)
    planner.problems.extend(placing_problems(planner.steps, context))
    planner.problems.extend(fitting_problems(planner.steps, (), context))
    if planner.problems:
        raise PlanError(_unique(planner.problems))
    choices = (*planner.choices, *opening_choices(planner.steps, context))
    return Plan(tuple(planner.steps), tuple(dict.fromkeys(choices)))


def settled(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> Step:
    """Return the step with options that depend on its inputs (``Stage.settle``)."""
    if step.stage.settle is None:
        return step
    config = step.stage.settle(step.config, inputs, context)
    return replace(step, config=config, parts=shaping_parts(config))


class _Planner:
    """Builds the list of steps and collects problems."""

    def __init__(self, configs: Mapping[str, DataclassInstance], context: RunContext, options: OptionChecks) -> None:
        self.configs = configs
        self.options = options
        self.context = context
        self.registry: Parts = context.registry
        self.steps: list[Step] = []
        self.problems: list[HooklineError] = []
        self.choices: list[str] = []
        self._producers = Producers(configs, context)
        self._runtime = engine_runtime(self.registry, configs)
        self._newest: dict[type[Artifact], int] = {}
        self._adding: list[str] = []
        self._wanted: list[type[Artifact]] = []

    def ask(self, name: str) -> None:
        try:
            self._add(self.registry.get(Stage, name), requested=True)
        except HooklineError as problem:
            self.problems.append(problem)

    def judge(self, faults: Mapping[tuple[str, str], PluginError]) -> None:
        """Report the faults of parts that a step uses as problems, and of other parts as warnings."""
        used = {(kind, name) for step in self.steps for kind, name in named_parts(step.config)}
        for part, fault in faults.items():
            if part in used:
                self.problems.append(fault)
            else:
                self.context.warn(str(fault))

    def _add(self, stage: Stage, *, requested: bool) -> int | None:
        if stage.name in self._adding:
            chain = " → ".join([*self._adding, stage.name])
            self.problems.append(
                HooklineError(f"the stages need each other: {chain}", "name the first one in +stage=[...]")
            )
            return None
        given = self.configs[stage.name]
        self._adding.append(stage.name)
        try:
            bound = [item for item in stage.signature.inputs if item.name not in stage.lineage]
            inputs = {item.name: self._bind(stage, given, item) for item in bound}
        finally:
            self._adding.pop()
        for item in stage.signature.inputs:
            if item.name in stage.lineage:
                inputs[item.name] = self._ancestor(inputs[stage.lineage[item.name]], item.types)
        known = {name: index for name, index in inputs.items() if index is not None}
        runtime = session_runtime(stage, given, known, self.steps, engine=self._runtime, context=self.context)
        config = resolve_parts(given, self.context, self.problems, self.choices, runtime=runtime)
        self._check(stage, config)
        step = Step(stage, config, requested, known, self._producers.provided(stage, config), shaping_parts(config))
        self.steps.append(step)
        self._replace(step.provides, len(self.steps) - 1)
        return len(self.steps) - 1

    def _check(self, stage: Stage, config: DataclassInstance) -> None:
        self.problems.extend(self.options.stage_problems(stage.name, config))
        if stage.check:
            try:
                self.problems.extend(stage.check(config, self.context))
            except HooklineError as problem:  # e.g. the check could not read a path
                self.problems.append(problem)

    def _bind(self, stage: Stage, config: DataclassInstance, wanted: Input) -> int | None:
        """Return the step that makes this input, added if it is missing; None for an omitted optional input."""
        selected = [kind for kind in stage.selected(config, self.context) if kind in wanted.types]
        if wanted.optional and stage.select and not selected:
            return None
        kinds = selected or list(wanted.types)
        made = [self._newest[kind] for kind in kinds if kind in self._newest]
        if made:
            return max(made)
        if wanted.optional and not (selected and self._producers.can_start(kinds[0])):
            if selected and (given := self._producers.given_instead(kinds[0])):
                self.problems.append(self._too_late(stage, kinds[0], given))
            return None
        return self._produce(stage, kinds[0])

    def _ancestor(self, index: int | None, kinds: Collection[type[Artifact]]) -> int | None:
        """Return the last step among the ancestors of step ``index`` that provides one of ``kinds``; None for none."""
        ancestors: set[int] = set()
        pending = [] if index is None else [index]
        while pending:
            parents = self.steps[pending.pop()].inputs.values()
            pending.extend(set(parents) - ancestors)
            ancestors.update(parents)
        return max((step for step in ancestors if self.steps[step].provides in kinds), default=None)

    def _produce(self, consumer: Stage, kind: type[Artifact]) -> int | None:
        makers = self._producers.makers(kind)
        sources = [stage for stage in makers if len(stage.signature.provides) > 1]
        makers = sources or makers  # a model that the user gave comes before one that a stage could make
        shipped = [stage for stage in makers if not self.registry.origin("stages", stage.name).outside]
        makers = shipped or makers  # a stage of a plugin is used only if it is named
        if len(makers) == 1:
            self._wanted.append(kind)
            try:
                return self._add(makers[0], requested=False)
            finally:
                self._wanted.pop()
        if makers:
            names = ", ".join(stage.name for stage in makers)
            problem = HooklineError(
                f"stage '{consumer.name}' needs {with_article(kind.__name__)}, and several stages make one: {names}",
                f"name one of these before '{consumer.name}' in +stage=[...]",
            )
        else:
            problem = self._nothing_makes(consumer, kind)
        self.problems.append(problem)
        return None

    def _nothing_makes(self, consumer: Stage, kind: type[Artifact]) -> HooklineError:
        if given := self._producers.given_instead(kind):
            return self._too_late(consumer, kind, given)
        if kind is Checkpoint:
            return HooklineError(
                f"stage '{consumer.name}' needs weights",
                "give them with weights=<file or official name>, "
                f"or train them with +stage=[train,{consumer.name}] data=<data.yaml>",
            )
        makers = [stage.name for stage in self.registry.all(Stage).values() if kind in stage.signature.provides]
        return HooklineError(
            f"stage '{consumer.name}' needs {with_article(kind.__name__)}, but no stage of this plan makes one",
            f"name one of these stages before it: {', '.join(makers)}" if makers else "no loaded plugin makes one",
        )

    def _too_late(self, consumer: Stage, kind: type[Artifact], given: type[Artifact]) -> HooklineError:
        """Return the error for a given model that is a later form than the requested stage starts from."""
        asked = self._adding[0]
        needed = [*self._wanted, kind][0]  # the need of that stage, not of one that the plan adds
        way_out = f", or omit '{asked}'" if asked == consumer.name else ""
        return HooklineError(
            f"stage '{asked}' needs {with_article(needed.__name__)}, "
            f"but the given model is already {with_article(given.__name__)}",
            f"give an earlier form with weights={way_out}",
        )

    def _replace(self, kind: type[Artifact], index: int) -> None:
        """Make step ``index`` the newest of its type; results of the previous one are out of date."""
        stale = {self._newest[kind]} if kind in self._newest else set()
        for position, step in enumerate(self.steps[:index]):
            if stale & set(step.inputs.values()):
                stale.add(position)
        self._newest = {key: position for key, position in self._newest.items() if position not in stale}
        self._newest[kind] = index


def _unique(problems: Iterable[HooklineError]) -> list[HooklineError]:
    return list({str(problem): problem for problem in problems}.values())
