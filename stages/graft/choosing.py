"""Choose the graft of a model: it supports the model family, and the runtime can run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import QuantizedModel
from core.errors import HooklineError
from core.kinds.graft import Graft
from core.kinds.lookup import AUTO, Parts
from core.kinds.model import ModelFamily
from core.kinds.runtime import Runtime
from core.kinds.stage import Known
from core.planning.known import layouts_of, refusals

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.graft.config import GraftConfig


def choose(decode: str, family: ModelFamily, runtime: Runtime, context: RunContext) -> Graft:
    """Return the graft for ``decode=`` and a model.

    Args:
        decode: The name of a graft, or ``auto``: the first of the family that the runtime can run.
        family: The model family.
        runtime: The runtime of the model.
        context: The context with all grafts and their options.

    Raises:
        HooklineError: The graft does not support the family, the runtime cannot run it, or there is none.
    """
    serving = {graft.name: graft for graft in _serving(family, context.registry)}
    missing = {name: _missing(graft, runtime, context) for name, graft in serving.items()}
    usable = [name for name in serving if not missing[name]]
    if decode != AUTO:
        chosen = context.registry.get(Graft, decode)
        possible = ", ".join(f"decode={name}" for name in usable) or "none"
        if decode not in serving:
            raise HooklineError(
                f"the graft '{decode}' does not support the model family '{family.name}'", f"possible: {possible}"
            )
        if missing[decode]:
            raise HooklineError(
                f"{runtime.name} cannot run the graft '{decode}': {missing[decode]}", f"possible: {possible}"
            )
        return chosen
    if not serving:
        raise HooklineError(
            f"the model family '{family.name}' has no graft, so a model of it cannot output boxes",
            "decode outside the model (predict.model=quantized), or install a plugin with a graft for it",
        )
    if not usable:
        reasons = "; ".join(f"{name}: {missing[name]}" for name in serving)
        raise HooklineError(
            f"no graft of the model family '{family.name}' runs on {runtime.name} ({reasons})",
            "the family has no graft in standard operators; set another backend, or predict.model=quantized",
        )
    return serving[usable[0]]


def settled(config: GraftConfig, model: QuantizedModel, context: RunContext) -> GraftConfig:
    """Replace ``decode=auto`` by the graft for the family and the runtime of the model.

    Raises:
        HooklineError: No graft fits both.
    """
    runtime = context.registry.get(Runtime, model.runtime)
    family = context.family(model.facts.family)
    chosen = choose(config.decode, family, runtime, context)
    if config.decode == AUTO and (reasons := skipped(chosen, family, runtime, context)):
        context.note(f"decode: {chosen.name} ({reasons})")
    return replace(config, decode=chosen.name)


def fitting_problems(config: GraftConfig, model: Known, context: RunContext) -> Iterator[HooklineError]:
    """Yield why no decode step can be appended: the layout of the model, or no suitable graft."""
    layouts = layouts_of(model, context)
    if layouts and model.layout not in {None, layouts[0]}:
        yield HooklineError(
            f"{model.title or 'the model'} has the layout {model.layout}, to which no decode step can be appended",
            f"set export.layout={layouts[0]}; for an ONNX file, use the checkpoint instead, or predict.model=quantized",
        )
    elif layouts and (runtime := context.registry.all(Runtime).get(model.runtime or "")):
        yield from refusals(choose, config.decode, context.family(str(model.family)), runtime, context)


def skipped(chosen: Graft, family: ModelFamily, runtime: Runtime, context: RunContext) -> str:
    """Return why ``decode=auto`` skips grafts that the family prefers to ``chosen``; empty if it skips none."""
    reasons = []
    for graft in _serving(family, context.registry):
        if graft.name == chosen.name:
            break
        reasons.append(f"{graft.name}: {_missing(graft, runtime, context)}, which {runtime.name} does not have")
    return "; ".join(reasons)


def _serving(family: ModelFamily, registry: Parts) -> Iterator[Graft]:
    """Yield the grafts of a family, best first: those that the family names, then those that name the family."""
    grafts = registry.all(Graft)
    yield from (grafts[name] for name in family.grafts if name in grafts)
    yield from (graft for name, graft in grafts.items() if name not in family.grafts and family.name in graft.families)


def _missing(graft: Graft, runtime: Runtime, context: RunContext) -> str:
    """Return what the runtime lacks to run a graft with the options of this run; empty if nothing."""
    custom = graft.operators(context.options("grafts", graft.name))
    missing = sorted(custom.names - runtime.operators)
    if not missing or (custom.functions and runtime.functions):
        return ""
    return f"it needs the operator {', '.join(missing)}"
