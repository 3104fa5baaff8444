"""Which graft ends a model in boxes: one that serves its family and that its runtime can run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.kinds.graft import Graft
from core.kinds.lookup import AUTO, Parts
from core.kinds.model import ModelFamily
from core.kinds.runtime import Runtime

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def choose(decode: str, family: ModelFamily, runtime: Runtime, context: RunContext) -> Graft:
    """Return the graft that ``decode=`` means for a model.

    Args:
        decode: The name of a graft, or ``auto``: the first one of the family that the runtime can run.
        family: Of the model.
        runtime: Whose rules the model follows.
        context: For all grafts and their options.

    Raises:
        HooklineError: The graft does not serve the family, the runtime cannot run it, or there is none.
    """
    serving = {graft.name: graft for graft in _serving(family, context.registry)}
    missing = {name: _missing(graft, runtime, context) for name, graft in serving.items()}
    usable = [name for name in serving if not missing[name]]
    if decode != AUTO:
        chosen = context.registry.get(Graft, decode)
        possible = ", ".join(f"decode={name}" for name in usable) or "none"
        if decode not in serving:
            raise HooklineError(
                f"the graft '{decode}' does not serve the model family '{family.name}'", f"possible: {possible}"
            )
        if missing[decode]:
            raise HooklineError(
                f"{runtime.name} cannot run the graft '{decode}': {missing[decode]}", f"possible: {possible}"
            )
        return chosen
    if not serving:
        raise HooklineError(
            f"the model family '{family.name}' has no graft, so no graph of it can end in boxes",
            "find the boxes outside the graph (predict.model=quantized), or install a plugin that has a graft for it",
        )
    if not usable:
        reasons = "; ".join(f"{name}: {missing[name]}" for name in serving)
        raise HooklineError(
            f"no graft of the model family '{family.name}' runs on {runtime.name} ({reasons})",
            "the family lacks a graft of standard operators; choose another backend, or predict.model=quantized",
        )
    return serving[usable[0]]


def passed_over(chosen: Graft, family: ModelFamily, runtime: Runtime, context: RunContext) -> str:
    """Return why ``decode=auto`` passes over grafts that the family prefers to ``chosen``; empty for none."""
    reasons = []
    for graft in _serving(family, context.registry):
        if graft.name == chosen.name:
            break
        reasons.append(f"{graft.name}: {_missing(graft, runtime, context)}, which {runtime.name} does not have")
    return "; ".join(reasons)


def _serving(family: ModelFamily, registry: Parts) -> Iterator[Graft]:
    """Yield the grafts of a family, best first: those that it names, then others that name it."""
    grafts = registry.all(Graft)
    yield from (grafts[name] for name in family.grafts if name in grafts)
    yield from (graft for name, graft in grafts.items() if name not in family.grafts and family.name in graft.families)


def _missing(graft: Graft, runtime: Runtime, context: RunContext) -> str:
    """Return what a runtime lacks for a graft with the options of this run; empty where it can run it."""
    custom = graft.operators(context.options("grafts", graft.name))
    missing = sorted(custom.names - runtime.operators)
    if not missing or (custom.functions and runtime.functions):
        return ""
    return f"it needs the operator {', '.join(missing)}"
