"""Stage ``build``: a grafted model becomes an engine of one runtime for this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.artifacts import Engine, GraftedModel
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class BuildConfig:
    """Options of the stage. Batch and size are those of the model.

    Attributes:
        backend: The runtime that the engine is for.
        warmup: How many times the finished engine is run before it is handed on.
        compute_capabilities: Cards that TensorRT-RTX builds for, e.g. ``[sm86,sm89,sm120]``; none leaves it to the
            library: Ampere and later. ``[current]`` is the card of this machine.
    """

    backend: str = shared("backend", kind="runtimes")
    warmup: int = 3
    compute_capabilities: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise HooklineError(f"build.warmup is {self.warmup}", "give a number of runs, 0 for none")


def build(config: BuildConfig, model: GraftedModel, context: RunContext) -> Engine:
    """Build the engine and warm it up."""
    if model.runtime != config.backend:
        raise HooklineError(
            f"'{model.path.name}' was quantised by the rules of '{model.runtime}', the backend is '{config.backend}'",
            f"quantise it again with backend={config.backend}, or build with backend={model.runtime}",
        )
    target = context.workdir / f"{model.facts.variant}-{model.precision.value}.onnx"
    return context.runtime(config.backend).build(model, config, target, context)


def fingerprint(config: BuildConfig, context: RunContext) -> Mapping[str, str]:
    """The machine: an engine in a store that several machines share is never reused on the wrong one."""
    return context.runtime(config.backend).machine()


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="build", summary="build an engine for this machine and warm it up", run=build, fingerprint=fingerprint
    )
