"""Which graft ends a model in boxes: one that serves its family and that its runtime can run."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import HooklineError
from core.parts import Graft, ModelFamily, Runtime
from core.registry import AUTO, Registry


def choose(decode: str, family: ModelFamily, runtime: Runtime, registry: Registry) -> Graft:
    """Return the graft that ``decode=`` means for a model.

    Args:
        decode: The name of a graft, or ``auto``: the first one of the family that the runtime can run.
        family: Of the model.
        runtime: Whose rules the model follows.
        registry: All grafts.

    Raises:
        HooklineError: The graft does not serve the family, the runtime cannot run it, or there is none.
    """
    serving = {graft.name: graft for graft in _serving(family, registry)}
    usable = [graft for graft in serving.values() if not _missing(graft, runtime)]
    if decode != AUTO:
        chosen = registry.get(Graft, decode)
        possible = ", ".join(f"decode={graft.name}" for graft in usable) or "none"
        if decode not in serving:
            raise HooklineError(
                f"the graft '{decode}' does not serve the model family '{family.name}'", f"possible: {possible}"
            )
        if missing := _missing(chosen, runtime):
            raise HooklineError(f"{runtime.name} cannot run the graft '{decode}': {missing}", f"possible: {possible}")
        return chosen
    if not serving:
        raise HooklineError(
            f"the model family '{family.name}' has no graft, so no graph of it can end in boxes",
            "find the boxes outside the graph (predict.model=quantized), or install a plugin that has a graft for it",
        )
    if not usable:
        reasons = "; ".join(f"{graft.name}: {_missing(graft, runtime)}" for graft in serving.values())
        raise HooklineError(
            f"no graft of the model family '{family.name}' runs on {runtime.name} ({reasons})",
            "the family lacks a graft of standard operators; choose another backend, or predict.model=quantized",
        )
    return usable[0]


def _serving(family: ModelFamily, registry: Registry) -> Iterator[Graft]:
    """Yield the grafts of a family, best first: those that it names, then others that name it."""
    grafts = registry.all(Graft)
    yield from (grafts[name] for name in family.grafts if name in grafts)
    yield from (graft for name, graft in grafts.items() if name not in family.grafts and family.name in graft.families)


def _missing(graft: Graft, runtime: Runtime) -> str:
    """Return what a runtime lacks for a graft; empty where it can run it."""
    missing = sorted(graft.operators - runtime.operators)
    if not missing or (graft.functions and runtime.functions):
        return ""
    return f"it needs the operator {', '.join(missing)}"
