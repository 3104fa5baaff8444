"""Which runtime opens a model, and why this is not possible on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Engine, OnnxModel
from core.errors import HooklineError, UnavailableError
from core.kinds.lookup import HOST
from core.kinds.runtime import Runtime
from core.selection.choosing import check_usable, runtime_with
from core.selection.devices import device_problems, family_problems

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def opener(kind: type[Artifact], engine: str, context: RunContext) -> str:
    """Return the runtime that opens an artifact, or :data:`core.kinds.lookup.HOST` if its model family opens it.

    Args:
        kind: Type of the artifact.
        engine: The runtime that built it, for an engine.
        context: For the runtimes and ``backend``.

    Raises:
        UnavailableError: No runtime that opens ONNX files can be used.
    """
    if issubclass(kind, Engine):
        return engine
    return runtime_with("opens_onnx", context)[0] if issubclass(kind, OnnxModel) else HOST


def opening_problems(kind: type[Artifact], engine: str, context: RunContext, what: str = "") -> Iterator[HooklineError]:
    """Yield why a model cannot be opened on the device of the run, from what is known before the run.

    Args:
        kind, engine: As for :func:`opener`.
        context: For the parts and the device.
        what: Name of the model in messages; empty for an engine that this run builds, because the stage that builds it
            checks the runtime.
    """
    try:
        name = opener(kind, engine, context)
        if issubclass(kind, OnnxModel):
            check_usable("runtimes", name, context)
        elif issubclass(kind, Engine) and what:
            _check_builder(name, what, context)
    except UnavailableError as problem:
        yield problem
        return
    runtime = context.registry.all(Runtime).get(name)
    if name == HOST:
        yield from family_problems(context)
    elif runtime is not None:
        yield from device_problems("runtimes", runtime, context, f"{name}, which opens {what}," if what else "")


def _check_builder(runtime: str, what: str, context: RunContext) -> None:
    """Refuse an engine of a runtime that no plugin registered or that is not usable on this machine.

    Raises:
        UnavailableError: Gives the reason and the remedy.
    """
    if runtime not in context.registry.all(Runtime):
        raise context.registry.builder_not_found(runtime, what)
    check_usable("runtimes", runtime, context)
