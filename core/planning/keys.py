"""The store's key of a step: a digest of everything that its result depends on, and of nothing else.

A key holds content, not places: the options of the stage, the content of its inputs, and for the stage and every part
that shapes the result who ships it, in which version, with which options and which versions of the packages that it
names (``Stage.packages``, ``Part.packages``). Where a version says nothing, in an editable installation or for a module
of ``$HOOKLINE_PLUGINS``, the code itself counts. Python and packages that nobody names do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.artifacts import AnyModel, Artifact
from core.kinds.family_options import keyed_with_families
from core.model_facts import DECODED
from core.options.fields import unversioned_parts
from core.planning.opening import opener
from core.plugins.code import author, part_facts
from core.process.resources import machine
from core.process.versions import installed
from core.storage.serial import Json, digest
from core.storage.store import identity
from core.version import __version__

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Step


def key_of(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> str:
    """Return the key of a step.

    Args:
        step: The step.
        inputs: The artifacts by parameter.
        context: For versions, options of parts, and the stage's fingerprint.
    """
    registry, stage = context.registry, step.stage
    models = {name: model for name, model in inputs.items() if stage.measures and isinstance(model, AnyModel)}
    families = _families(step, inputs, context)
    parts = [*step.parts, *(("models", family) for family in families)]
    unversioned = unversioned_parts(step.config)
    return digest(
        {
            "hookline": __version__,
            "stage": stage.name,
            "by": author(registry.origin("stages", stage.name), context.cache_dir),
            "packages": installed(stage.packages),
            "config": _options(step, families, context),
            "seed": context.seed,
            "parts": [
                {"kind": kind, "name": name}
                | part_facts(kind, name, context, versioned=(kind, name) not in unversioned, measured=stage.measures)
                for kind, name in parts
            ],
            "inputs": {name: identity(artifact) for name, artifact in inputs.items()},
            "measured": {name: measuring_facts(model, context) for name, model in models.items()},
            "outside": stage.fingerprint(step.config, context) if stage.fingerprint else {},
        }
    )


def options_of(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> dict[str, Json]:
    """Return the options in the key of a step: those of the stage, and those that its model families declare."""
    return _options(step, _families(step, inputs, context), context)


def _options(step: Step, families: Sequence[str], context: RunContext) -> dict[str, Json]:
    return keyed_with_families(step.config, [context.family(name) for name in families])


def _families(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> Sequence[str]:
    return tuple(step.stage.families(step.config, inputs, context)) if step.stage.families else ()


def measuring_facts(model: AnyModel, context: RunContext) -> Mapping[str, object]:
    """Return what speed and boxes of an opened model depend on besides the model.

    Machine and device, the runtime that opens it (who ships it, its code, packages and options), and the family that
    finds boxes in its outputs. A stage that stores measurements needs them in its key (``Stage.measures``).
    """
    facts: dict[str, object] = {"host": machine(), "device": context.device}
    family = model.facts.family
    if getattr(model, "layout", None) != DECODED and family in context.registry.parts("models"):
        facts["family"] = author(context.registry.origin("models", family), context.cache_dir)
    if name := opener(type(model), getattr(model, "runtime", ""), context):
        facts |= {"runtime": name, "machine": context.runtime(name).machine(context.device)}
        facts |= part_facts("runtimes", name, context, measured=True)
    return facts
