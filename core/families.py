"""Model families that shape the result of a stage, for ``Stage.families``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.known import Known
from core.parts import ModelFamily

if TYPE_CHECKING:
    from core.context import RunContext


def families_of_inputs(_config: object, inputs: Mapping[str, Known], _context: RunContext) -> Iterable[str]:
    """Return the families of the models that the stage gets."""
    return sorted({known.family for known in inputs.values() if known.family})


def all_families(_config: object, _inputs: Mapping[str, Known], context: RunContext) -> Iterable[str]:
    """Return every registered family: any of them may read what the stage is given."""
    return sorted(context.registry.all(ModelFamily))
