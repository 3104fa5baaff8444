"""Which artifact of a chain a stage opens, which runtime opens it, and why that one cannot on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from core.artifacts import AnyModel, Artifact, Checkpoint, Engine, GraftedModel, OnnxModel, QuantizedModel
from core.errors import HooklineError, UnavailableError
from core.kinds.lookup import HOST
from core.kinds.runtime import Runtime
from core.planning.devices import device_problems, family_problems
from core.planning.resolve import check_usable, runtime_with

if TYPE_CHECKING:
    from core.kinds.context import RunContext


class ModelForm(str, Enum):
    """Which artifact of the chain is opened: the type of options such as ``predict.model``.

    ``engine``: as it is deployed. ``grafted``: the ONNX file that the engine is built from.
    ``quantized``: before the graft, with all class scores. ``heads``: as exported, float32.
    ``checkpoint``: through the model family's own framework.
    """

    engine = "engine"
    grafted = "grafted"
    quantized = "quantized"
    heads = "heads"
    checkpoint = "checkpoint"


ARTIFACTS: dict[ModelForm, type[AnyModel]] = {
    ModelForm.engine: Engine,
    ModelForm.grafted: GraftedModel,
    ModelForm.quantized: QuantizedModel,
    ModelForm.heads: OnnxModel,
    ModelForm.checkpoint: Checkpoint,
}
"""The artifact type of each form, for ``Stage.select``."""


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
    """Yield why a model cannot be opened on the device of the run, as far as it is known before the run.

    Args:
        kind, engine: As for :func:`opener`.
        context: For the parts and the device.
        what: Which model it is, in messages; empty for an engine that the runtime of the run builds, whose
            availability the stage that builds it checks.
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
    """Refuse an engine whose runtime no plugin registered or that cannot be used here.

    Raises:
        UnavailableError: Says why and what to do.
    """
    if runtime not in context.registry.all(Runtime):
        raise context.registry.builder_not_found(runtime, what)
    check_usable("runtimes", runtime, context)
