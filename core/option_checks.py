"""What the plan says about the values of options, whichever stage or part declares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from core.config import followed, part_names
from core.containment import PluginError
from core.errors import HooklineError, shown
from core.family_options import family_options_of
from core.ranges import range_problems
from core.registry import AUTO, PART_KINDS, AnyPart, Registry
from core.serial import DataclassInstance

if TYPE_CHECKING:
    from core.context import RunContext


NAMING = {
    "calibrator": "calibrators",
    "quantizer": "quantizers",
    "backend": "runtimes",
    "processor": "processors",
    "tracker": "trackers",
}
"""Top-level options that name parts, and their kinds: a wrong name is reported also where no stage uses it."""


@dataclass(frozen=True)
class OptionChecks:
    """The options of a run.

    Attributes:
        configs: Options by stage name, of all registered stages.
        words: The dataclass of the top-level options; None where there are none.
    """

    configs: Mapping[str, DataclassInstance]
    words: DataclassInstance | None = None

    def general_problems(
        self, context: RunContext, faults: dict[tuple[str, str], PluginError]
    ) -> Iterator[HooklineError]:
        """Yield what is wrong with the options that belong to no stage: the top-level ones and those of the parts.

        Args:
            context: For the parts and their options.
            faults: Gets, by kind and name, the errors of plugins whose own checks failed.
        """
        for _, problem in range_problems(self.words, ""):
            yield problem
        for word, kind in NAMING.items():
            for name in part_names(getattr(self.words, word, None)):
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
        """Yield what is wrong with the options of a stage.

        A value that comes from an option which the field follows is reported under the name of that option, once for
        all stages.
        """
        given = family_options_of(config).values
        for name, problem in chain(range_problems(config, f"{stage}."), range_problems(given, f"{stage}.")):
            origin = followed(type(config), name)
            same = origin and shown(self._value(origin)) == shown(getattr(config, name))
            message = problem.message.replace(f"{stage}.{name}", origin, 1) if same else problem.message
            yield HooklineError(message, problem.hint)

    def _value(self, option: str) -> object:
        """The value of an option at the top level, or of a stage."""
        stage, _, name = option.rpartition(".")
        return getattr(self.configs.get(stage) if stage else self.words, name, None)


def _parts(registry: Registry) -> Iterator[tuple[str, AnyPart]]:
    return ((kind, part) for kind, descriptor in PART_KINDS.items() for part in registry.all(descriptor).values())
