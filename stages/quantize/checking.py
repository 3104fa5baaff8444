"""Check the options of a conversion before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.errors import HooklineError
from core.kinds.quantizer import Quantizer
from core.kinds.runtime import Runtime
from core.kinds.stage import Known
from core.model_facts import DECODED, Precision
from core.planning.known import layouts_of

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.quantize.config import QuantizeConfig


def problems(config: QuantizeConfig, context: RunContext) -> Iterator[HooklineError]:
    """Yield why the quantizer cannot produce the precision by the rules of the runtime."""
    precision, registry = config.stage_precision(context), context.registry
    quantizer = registry.all(Quantizer).get(config.quantizer)
    runtime = registry.all(Runtime).get(config.backend)
    if quantizer is not None and precision not in quantizer.precisions:
        possible = ", ".join(sorted(item.value for item in quantizer.precisions))
        yield HooklineError(
            f"quantizer={config.quantizer} does not support precision={precision.value}", f"possible: {possible}"
        )
    if runtime is not None and precision is Precision.int8 and runtime.qdq is None:
        yield HooklineError(
            f"backend={config.backend} has no rules for Q/DQ pairs (Runtime.qdq), which precision=int8 needs",
            "set another precision or another backend",
        )


def fitting_problems(config: QuantizeConfig, model: Known, context: RunContext) -> Iterator[HooklineError]:
    """Yield why a model cannot be converted: it has another precision, or outputs boxes."""
    precision = config.stage_precision(context)
    if model.precision is None or model.precision is precision:
        return
    layouts = layouts_of(model, context)
    if model.precision is not Precision.fp32:
        yield HooklineError(
            f"{model.title} is already {model.precision.value} and cannot be converted to {precision.value}",
            f"start from a float32 model, or set precision={model.precision.value}",
        )
    elif model.layout == DECODED or (layouts and model.layout not in {None, layouts[0]}):
        remedy = f": set export.layout={layouts[0]}" if layouts else ""
        yield HooklineError(
            f"a model of layout {model.layout} cannot be converted to {precision.value}",
            f"decoded boxes need float32{remedy}",
        )
