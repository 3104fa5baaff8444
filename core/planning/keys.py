"""The key of a step in the store: a digest of everything that its result depends on.

A key depends on content, not on paths: the options of the stage, the content of its inputs, and for the stage and each
part that affects the result its distribution, version, options and packages (``Stage.packages``, ``Part.packages``).
For an editable installation and for a module of ``$HOOKLINE_PLUGINS``, it depends on the code, of hookline also on the
modules that the code imports. It does not depend on Python or on other packages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.artifacts import AnyModel, Artifact
from core.kinds.family_options import keyed_with_families
from core.model_facts import DECODED
from core.options.fields import keyed_options, unversioned_parts
from core.plugins.code import OURS, code_digest, is_edited_in_place
from core.plugins.own_code import own_code_digest
from core.process.resources import machine
from core.process.versions import installed
from core.selection.openers import opener
from core.storage.serial import Json, digest, encode
from core.storage.store import identity
from core.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Step
    from core.kinds.lookup import Origin


def key_of(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> str:
    """Return the key of a step.

    Args:
        step: The step.
        inputs: The artifacts by parameter.
        context: For versions, options of parts, and the fingerprint of the stage.
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
            "by": _author(registry.origin("stages", stage.name), context.cache_dir),
            "packages": installed(stage.packages),
            "config": _options(step, families, context),
            "seed": context.seed,
            "parts": [
                {"kind": kind, "name": name}
                | _part_facts(kind, name, context, versioned=(kind, name) not in unversioned, measured=stage.measures)
                for kind, name in parts
            ],
            "inputs": {name: identity(artifact) for name, artifact in inputs.items()},
            "measured": {name: measuring_facts(model, context) for name, model in models.items()},
            "outside": stage.fingerprint(step.config, context) if stage.fingerprint else {},
        }
    )


def options_of(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> dict[str, Json]:
    """Return the options in the key of a step: those of the stage and those of its model families."""
    return _options(step, _families(step, inputs, context), context)


def _options(step: Step, families: Sequence[str], context: RunContext) -> dict[str, Json]:
    return keyed_with_families(step.config, [context.family(name) for name in families])


def _families(step: Step, inputs: Mapping[str, Artifact], context: RunContext) -> Sequence[str]:
    return tuple(step.stage.families(step.config, inputs, context)) if step.stage.families else ()


def measuring_facts(model: AnyModel, context: RunContext) -> Mapping[str, object]:
    """Return the facts other than the model that its speed and boxes depend on.

    These are the machine and device, the runtime that opens the model (distribution, code, packages and options), and
    the family that decodes its outputs. The key of a stage that stores measurements has them (``Stage.measures``).
    """
    facts: dict[str, object] = {"host": machine(), "device": context.device}
    family = model.facts.family
    if getattr(model, "layout", None) != DECODED and family in context.registry.parts("models"):
        facts["family"] = _author(context.registry.origin("models", family), context.cache_dir)
    if name := opener(type(model), getattr(model, "runtime", ""), context):
        facts |= {"runtime": name, "machine": context.runtime(name).machine(context.device)}
        facts |= _part_facts("runtimes", name, context, measured=True)
    return facts


def _part_facts(
    kind: str, name: str, context: RunContext, *, versioned: bool = True, measured: bool = False
) -> dict[str, object]:
    """Return the facts about a part that affect a result: distribution, code, options and packages.

    Args:
        kind: Kind of the part, e.g. ``runtimes``.
        name: Name of the part.
        context: For the part, its options and the cache of digests.
        versioned: The versions of the part's packages affect the result.
        measured: The result contains times, which all options affect, also e.g. ``threads``.
    """
    options = encode if measured else keyed_options
    return {
        "by": _author(context.registry.origin(kind, name), context.cache_dir),
        "options": options(context.options(kind, name)),
        "packages": installed(context.registry.part(kind, name).packages) if versioned else {},
    }


def _author(origin: Origin, cache_dir: Path) -> tuple[str, str]:
    """Return the distribution of a stage or part, and the digest of its code if its version does not identify the code.

    Args:
        origin: The plugin that registered it.
        cache_dir: Folder of the cache of digests.
    """
    edited = not origin.installed or is_edited_in_place(origin.distribution, origin.package)
    return str(origin), _code(origin, cache_dir) if origin.code and edited else ""


def _code(origin: Origin, cache_dir: Path) -> str:
    """Return the digest of the code of a plugin; for hookline it includes the modules that the plugin imports."""
    ours = not origin.outside and origin.package in OURS
    return (own_code_digest if ours else code_digest)(origin.code, cache_dir)
