"""What was asked of a given model: size and precision are its own, and another one is refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.artifacts import Checkpoint, Engine, OnnxModel, Precision, QuantizedModel
from core.building import CalibrationInput
from core.errors import HooklineError
from core.head import head_of
from core.imgsz import fitted_size
from core.parts import ModelFamily
from core.registry import AUTO, Registry
from core.resolve import own_calibration

if TYPE_CHECKING:
    from core.context import RunContext
    from stages.load import LoadConfig


def fitted(
    model: Checkpoint | OnnxModel | Engine, config: LoadConfig, context: RunContext
) -> Checkpoint | OnnxModel | Engine:
    """Return the model with the size that was asked for, where it takes several.

    Raises:
        HooklineError: The model has another size or precision than the one that was asked for.
    """
    if isinstance(model, Checkpoint):
        return model
    asked = config.precision
    if asked is not None and asked is not model.precision and not _can_become(model, config, context):
        raise HooklineError(
            f"precision={asked.value}, but '{model.path.name}' is {model.precision.value}",
            "leave precision out, or start from the checkpoint",
        )
    return fitted_size(model, config.imgsz)


def check_family(model: Checkpoint | OnnxModel | Engine, registry: Registry) -> None:
    """Refuse a model of a family that no plugin registers, and one whose facts the family cannot use.

    Raises:
        HooklineError: Says which.
    """
    if not isinstance(model, Checkpoint):
        head_of(model.facts, model.layout, registry)
        return
    for problem in registry.get(ModelFamily, model.facts.family).check_head(model.facts):
        raise problem


def check_backend(engine: Engine, config: LoadConfig, registry: Registry) -> None:
    """Refuse an engine of another runtime than ``backend=`` names: its own opens it, whatever was asked for."""
    if config.backend in {AUTO, engine.runtime}:
        return
    if config.backend not in registry.parts("runtimes"):
        raise registry.not_found("runtimes", config.backend)
    raise HooklineError(
        f"backend={config.backend}, but '{engine.path.name}' is an engine of {engine.runtime}",
        f"leave backend out, or build an engine with +stage=build backend={config.backend}",
    )


def _can_become(model: OnnxModel | Engine, config: LoadConfig, context: RunContext) -> bool:
    """Return whether a later stage can still give a float32 model the precision that was asked for."""
    if isinstance(model, Engine) or model.precision is not Precision.fp32:
        return False
    by_runtime = own_calibration(config.backend, config.precision, context) is not CalibrationInput.none
    return by_runtime or not isinstance(model, QuantizedModel)
