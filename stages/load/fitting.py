"""What was asked of a given model: size and precision are its own, and another one is refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.artifacts import Checkpoint, Engine, Int8Route, OnnxModel, Precision, QuantizedModel
from core.errors import HooklineError
from core.imgsz import fitted_size

if TYPE_CHECKING:
    from stages.load import LoadConfig


def fitted(model: Checkpoint | OnnxModel | Engine, config: LoadConfig) -> Checkpoint | OnnxModel | Engine:
    """Return the model with the size that was asked for, where it takes several.

    Raises:
        HooklineError: The model has another size or precision than the one that was asked for.
    """
    if isinstance(model, Checkpoint):
        return model
    asked = config.precision
    if asked is not None and asked is not model.precision and not _can_become(model, config):
        raise HooklineError(
            f"precision={asked.value}, but '{model.path.name}' is {model.precision.value}",
            "leave precision out, or start from the checkpoint",
        )
    return fitted_size(model, config.imgsz)


def _can_become(model: OnnxModel | Engine, config: LoadConfig) -> bool:
    """Return whether a later stage can still give a float32 model the precision that was asked for."""
    if isinstance(model, Engine) or model.precision is not Precision.fp32:
        return False
    by_runtime = config.precision is Precision.int8 and config.int8 is Int8Route.calibrator
    return by_runtime or not isinstance(model, QuantizedModel)
