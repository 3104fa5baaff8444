"""Stage ``graft``: append the decode step to a model, so that it outputs boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, GraftedModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.stage import Known, Stage
from core.model_facts import DECODED
from core.plugins.hookspecs import hookimpl
from stages.graft.config import GraftConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def graft(config: GraftConfig, model: QuantizedModel, context: RunContext) -> GraftedModel:
    """Append the decode step to ``model``."""
    from stages.graft.grafting import graft_decode

    return graft_decode(config, model, context)


def settle(config: GraftConfig, inputs: Mapping[str, Artifact], context: RunContext) -> GraftConfig:
    """Replace ``decode=auto`` by the graft for the family and the runtime of the model.

    Raises:
        HooklineError: No graft fits both.
    """
    from stages.graft.choosing import settled

    model = inputs["model"]
    return settled(config, model, context) if isinstance(model, QuantizedModel) else config


def known(inputs: Mapping[str, Known]) -> Known:
    """Return the known facts of the grafted model: those of the quantised model, decoded."""
    return replace(inputs.get("model", Known()), layout=DECODED)


def check_inputs(config: GraftConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield why no decode step can be appended: the layout of the model, or no suitable graft."""
    from stages.graft.choosing import fitting_problems

    return fitting_problems(config, inputs.get("model", Known()), context)


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
