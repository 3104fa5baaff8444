"""Stage ``load``: what ``weights=`` names becomes an artifact that later stages can use.

The stage is not called ``weights`` because that word is taken at the top level of the config.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Engine, GraftedModel, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.stage import Known, Stage, all_families
from core.plugins.hookspecs import hookimpl
from stages.load.config import LoadConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def load(config: LoadConfig, context: RunContext) -> Checkpoint | OnnxModel | QuantizedModel | GraftedModel | Engine:
    """Find, fetch where needed, and read ``config.weights``."""
    from stages.load.loading import load_weights

    return load_weights(config, context)


def select(config: LoadConfig, context: RunContext) -> Collection[type[Artifact]]:
    """The type of artifact that ``config.weights`` is."""
    from stages.load.naming import kind_of

    return [kind_of(config.weights, context.registry)] if config.weights else []


def fingerprint(config: LoadConfig, context: RunContext) -> Mapping[str, str]:
    """Return the digest of the file that the weights come from, and what its name contributes."""
    from stages.load.naming import fingerprint_of

    return fingerprint_of(config.weights, context)


def check(config: LoadConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield what is wrong with the weights, as far as name and sidecar tell; the file is read when the stage runs."""
    from stages.load.loading import check_backend, check_family, fitted
    from stages.load.naming import described, locate

    try:
        known = described(locate(config.weights, context.registry), context.registry)
        if known is not None:
            check_family(known, context.registry)
            fitted(known, config, context)
        if isinstance(known, Engine):
            check_backend(known, config, context.registry)
    except HooklineError as error:
        yield error


def known(config: LoadConfig, context: RunContext) -> Known:
    """Return what the sidecar of a file says, or the release of an official name."""
    from stages.load.naming import facts_of

    return facts_of(config.weights, context.registry)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="load",
        summary="find, fetch and read what weights= names: a file or an official release",
        run=load,
        families=all_families,
        select=select,
        fingerprint=fingerprint,
        check=check,
        known=known,
    )
