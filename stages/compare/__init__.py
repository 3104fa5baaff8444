"""Stage ``compare``: compare an engine with a reference engine on the same images, without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Comparison, Engine
from core.errors import HooklineError
from core.kinds.stage import Known, Stage, families_of_inputs
from core.planning.known import refusals
from core.plugins.hookspecs import hookimpl
from core.storage.digest import file_digest
from stages.compare.config import CompareConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def compare(config: CompareConfig, engine: Engine, context: RunContext) -> Comparison:
    """Compare ``engine`` with ``config.reference``."""
    from stages.compare.comparing import compare_models

    return compare_models(config, engine, context)


def fingerprint(config: CompareConfig, context: RunContext) -> Mapping[str, object]:
    """Return digests of the images and of the reference, and what the speed of the reference depends on."""
    from core.media.source import list_source
    from core.planning.keys import measuring_facts
    from core.storage.store import identity
    from stages.compare.comparing import read_reference

    reference = read_reference(config.reference)
    return {
        "source": list_source(config.source).digest(context.cache_dir),
        "reference": identity(reference),
        "reference_file": file_digest(reference.path, context.cache_dir),
        "reference_measured": measuring_facts(reference, context),
    }


def check(config: CompareConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield a missing source or reference, and a reference that the device of the run cannot open."""
    from core.selection.openers import opening_problems
    from stages.compare.comparing import read_reference

    try:
        reference = read_reference(config.reference)
        yield from opening_problems(type(reference), getattr(reference, "runtime", ""), context, "compare.reference")
    except HooklineError as error:
        yield error
    if config.source is None:
        yield HooklineError("no images are given", "give the images for both models with source=<images or video>")
    else:
        yield from _source_problems(config.source)


def _source_problems(text: object) -> Iterable[HooklineError]:
    from core.media.source import SourceKind, list_source

    try:
        source = list_source(text)
    except HooklineError as problem:
        yield problem
        return
    if source.kind is SourceKind.stream:
        yield HooklineError(
            f"two models cannot be compared on the stream '{source.text}'",
            "record it and give the video file or its images",
        )


def check_inputs(config: CompareConfig, inputs: Mapping[str, Known]) -> Iterable[HooklineError]:
    """Yield classes that the engine does not have, and a reference with other classes."""
    from core.data.classes import class_ids
    from stages.compare.comparing import check_classes, read_reference

    names = inputs.get("engine", Known()).names
    if names is None:
        return
    yield from refusals(class_ids, config.classes, names)
    try:
        reference = read_reference(config.reference)
    except HooklineError:  # the check reports it
        return
    yield from refusals(check_classes, names, reference.facts.names)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    yield Stage(
        name="compare",
        summary="compare an engine with a reference: latency ratio, agreement of boxes",
        run=compare,
        packages=("av", "numpy", "opencv"),
        families=families_of_inputs,
        fingerprint=fingerprint,
        check=check,
        check_inputs=check_inputs,
        measures=True,
    )
