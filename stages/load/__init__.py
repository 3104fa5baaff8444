"""Stage ``load``: read the model that ``weights=`` names.

The stage is not called ``weights`` because that is an option at the top level of the config.
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
    """Find, download if necessary, and read ``config.weights``."""
    from stages.load.loading import load_weights

    return load_weights(config, context)


def select(config: LoadConfig, context: RunContext) -> Collection[type[Artifact]]:
    """Return the artifact type of ``config.weights``."""
    from stages.load.naming import kind_of

    return [kind_of(config.weights, context.registry)] if config.weights else []


def fingerprint(config: LoadConfig, context: RunContext) -> Mapping[str, str]:
    """Return the digest of the weights file and the name that the network gets from it."""
    from stages.load.naming import fingerprint_of

    return fingerprint_of(config.weights, context)


def check(config: LoadConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield errors in the name and the sidecar of the weights; the file itself is read when the stage runs."""
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
    """Return the facts in the sidecar of a file, or those of an official release."""
    from stages.load.naming import facts_of

    return facts_of(config.weights, context.registry)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage ``load``."""
    yield Stage(
        name="load",
        summary="read the weights: a file, or an official release, which is downloaded",
        run=load,
        families=all_families,
        select=select,
        fingerprint=fingerprint,
        check=check,
        known=known,
    )
