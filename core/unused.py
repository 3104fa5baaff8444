"""Options on the command line that belong to stages outside the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from core.compose import Words
from core.stage import Stage

if TYPE_CHECKING:
    from core.plan import Plan
    from core.registry import Registry

INPUTS = ("model", "data", "source", "classes", "single_class")
"""Top-level options that say what a run works on. The others are often set for all runs, and not reported."""
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def unused_options(overrides: Sequence[str], plan: Plan, registry: Registry) -> list[str]:
    """Return one line for each option that no stage of the plan reads.

    An option that an option of a planned stage follows (:func:`core.config.shared`), or that another override refers
    to, has an effect and is left out.

    Args:
        overrides: As on the command line: ``train.epochs=3``, ``+a.b=1``, ``~a.b``.
        plan: The checked plan.
        registry: For the names of all stages.
    """
    stages, planned = registry.all(Stage), {step.stage.name for step in plan.steps}
    references = set(_references(overrides, plan))
    options = dict.fromkeys(map(_option, overrides))
    words = [
        f"{option} has no effect: no stage of this plan uses it"
        for option in options
        if option in INPUTS and not any(_overlap(option, other) for other in references)
    ]
    return words + [
        f"{option} has no effect: stage '{stage}' is not part of this plan"
        for option, stage in ((option, option.partition(".")[0]) for option in options)
        if stage in stages and stage not in planned and not any(_overlap(option, other) for other in references)
    ]


def _option(override: str) -> str:
    """The dotted name of the option, without the signs and the package of Hydra's grammar."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def _references(overrides: Sequence[str], plan: Plan) -> Iterator[str]:
    """The options that options of planned stages and other overrides refer to."""
    for step in plan.steps:
        for item in fields(step.stage.signature.config):
            yield from _REFERENCE.findall(str(item.default))
    given = set(map(_option, overrides))
    for name, item in Words.__dataclass_fields__.items():
        if name not in given:
            yield from _REFERENCE.findall(str(item.default))
    for override in overrides:
        yield from _REFERENCE.findall(override.partition("=")[2])


def _overlap(option: str, other: str) -> bool:
    """Whether one is the other, or part of it."""
    return f"{option}.".startswith(f"{other}.") or f"{other}.".startswith(f"{option}.")
