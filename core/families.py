"""Model families that shape the result of a stage, for ``Stage.families``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, ModelFacts
from core.parts import ModelFamily

if TYPE_CHECKING:
    from core.context import RunContext


def families_of_inputs(inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the registered families of the models that the stage gets. For ``Stage.families``.

    Args:
        inputs: Inputs of the stage by parameter.
        context: Of the run.
    """
    facts = (getattr(artifact, "facts", None) for artifact in inputs.values())
    named = {item.family for item in facts if isinstance(item, ModelFacts)}
    return sorted(named & set(context.registry.all(ModelFamily)))


def all_families(context: RunContext) -> Iterable[str]:
    """Return every registered family: any of them may read what the stage is given. For ``Stage.families``.

    Args:
        context: Of the run.
    """
    return sorted(context.registry.all(ModelFamily))
