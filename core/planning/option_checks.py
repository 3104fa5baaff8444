"""Checks of options in the plan: values out of range, and options without effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from core.artifacts import Engine
from core.containment.calls import PluginError
from core.errors import HooklineError, shown
from core.kinds.family_options import family_options_of, option_fields_of
from core.kinds.graft import Graft
from core.kinds.lookup import AUTO, Parts
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS, AnyPart
from core.options.fields import NAMING, followed, named_runtime, part_names, parts_of
from core.options.ranges import range_problems
from core.options.top_level import TopLevelOptions
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Plan


@dataclass(frozen=True)
class OptionChecks:
    """The options of a run.

    Attributes:
        configs: Options by stage name, of all registered stages.
        top_level: The top-level options; None if there are none.
    """

    configs: Mapping[str, DataclassInstance]
    top_level: DataclassInstance | None = None

    def general_problems(
        self, context: RunContext, faults: dict[tuple[str, str], PluginError]
    ) -> Iterator[HooklineError]:
        """Yield the mistakes in top-level options and in options of parts.

        Args:
            context: For the parts and their options.
            faults: Receives the errors of plugins with a check that failed, by kind and name of the part.
        """
        for _, problem in range_problems(self.top_level, ""):
            yield problem
        for option, kind in NAMING.items():
            for name in part_names(getattr(self.top_level, option, None)):
                if name != AUTO and name not in context.registry.all(PART_KINDS[kind]):
                    yield context.registry.not_found(kind, name)
        for kind, part in _parts(context.registry):
            options = context.options(kind, part.name)
            wrong = [problem for _, problem in range_problems(options, f"{kind}.{part.name}.")]
            try:
                yield from wrong or part.check_options(options)
            except PluginError as error:
                faults[kind, part.name] = error

    def stage_problems(self, stage: str, config: DataclassInstance) -> Iterator[HooklineError]:
        """Yield the mistakes in the options of a stage.

        A value that comes from a followed option is reported under the name of that option, once for all stages.
        """
        given = family_options_of(config).values
        for name, problem in chain(range_problems(config, f"{stage}."), range_problems(given, f"{stage}.")):
            origin = followed(type(config), name)
            same = origin and shown(self._value(origin)) == shown(getattr(config, name))
            message = problem.message.replace(f"{stage}.{name}", origin, 1) if same else problem.message
            yield HooklineError(message, problem.hint)

    def _value(self, option: str) -> object:
        """Return the value of a top-level option or of an option of a stage."""
        group, _, name = option.rpartition(".")
        owner = self.configs.get(group) or getattr(self.top_level, group, None) if group else self.top_level
        return getattr(owner, name, None)


def _parts(registry: Parts) -> Iterator[tuple[str, AnyPart]]:
    return ((kind, part) for kind, descriptor in PART_KINDS.items() for part in registry.all(descriptor).values())


CHOSEN = ("calibrators", "quantizers", "grafts", "runtimes", "trackers")
"""Kinds of parts that a run uses only if its stages name them; it can choose a processor later."""
INPUTS = ("model", "data", "source", "classes", "single_class")
RESULTS = ("imgsz", "precision", "calibrator", "quantizer", "backend", "decode", "conf", "iou", "max_det")
REPORTED = {*INPUTS, *RESULTS}
"""Top-level options that select the input of a run or change its results. The others, e.g. ``seed`` and ``device``, are
often set for all runs, so they are not reported."""
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def unused_options(overrides: Sequence[str], plan: Plan, registry: Parts) -> list[str]:
    """Return one line for each option without effect: no stage of the plan reads it, or none uses its part.

    An option that a planned stage follows (:func:`core.options.fields.shared`), or that another override refers to, has
    an effect.

    Args:
        overrides: Overrides of the command line: ``train.epochs=3``, ``+a.b=1``, ``~a.b``.
        plan: The checked plan.
        registry: For the names of all stages.
    """
    stages, planned = registry.all(Stage), {step.stage.name for step in plan.steps}
    references = set(_references(overrides, plan, registry))
    options = dict.fromkeys(map(_option, overrides))
    inputs = [
        f"{option} has no effect: no stage of this plan uses it"
        for option in options
        if option in REPORTED and not any(_overlap(option, other) for other in references)
    ]
    used = _used_parts(plan, registry)
    parts = [
        f"{option} has no effect: no stage of this plan uses the {KINDS[kind].noun} '{name}'"
        for option, (kind, name) in ((option, _part(option)) for option in options)
        if kind in CHOSEN and (kind, name) not in used and option not in references
    ]
    return [*inputs, *parts] + [
        f"{option} has no effect: stage '{stage}' is not part of this plan"
        for option, stage in ((option, option.partition(".")[0]) for option in options)
        if stage in stages and stage not in planned and not any(_overlap(option, other) for other in references)
    ]


def _part(option: str) -> tuple[str, str]:
    """Return kind and name of the part in the name of an option, e.g. ``runtimes.tensorrt.int8``; else empty texts."""
    kind, _, rest = option.partition(".")
    name, dot, _ = rest.partition(".")
    return (kind, name) if dot else ("", "")


def _used_parts(plan: Plan, registry: Parts) -> set[tuple[str, str]]:
    """Return kind and name of the parts that the stages of a plan name or can use."""
    named = {
        (kind, part)
        for step in plan.steps
        for kind, value in parts_of(step.config).values()
        for part in part_names(value)
    }
    builds = any(issubclass(step.provides, Engine) and named_runtime(step.config) for step in plan.steps)
    compares = any(step.stage.measures for step in plan.steps)  # compare opens a reference, which can be any engine
    # Runtimes that no stage names open models: given engines by their own, ONNX files by one that opens them.
    runtimes = registry.all(Runtime).items()
    openers = {("runtimes", name) for name, item in runtimes if item.opens_onnx or compares or not builds}
    # The run settles decode=auto and reports a graft that it does not use.
    grafts = {("grafts", name) for name in registry.all(Graft) if ("grafts", AUTO) in named}
    return named | openers | grafts


def _option(override: str) -> str:
    """Return the full name of the option, without the signs and the package of Hydra's grammar."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def _references(overrides: Sequence[str], plan: Plan, registry: Parts) -> Iterator[str]:
    """Yield the options that options of planned stages and other overrides refer to."""
    for step in plan.steps:
        for _, item in option_fields_of(step.stage.signature.config, registry):
            if item.metadata.get("not_for") is not step.provides:
                yield from _REFERENCE.findall(str(item.default))
    given = set(map(_option, overrides))
    for name, item in TopLevelOptions.__dataclass_fields__.items():
        if name not in given:
            yield from _REFERENCE.findall(str(item.default))
    for override in overrides:
        yield from _REFERENCE.findall(override.partition("=")[2])


def _overlap(option: str, other: str) -> bool:
    """Return whether the options are equal or one contains the other."""
    return f"{option}.".startswith(f"{other}.") or f"{other}.".startswith(f"{option}.")
