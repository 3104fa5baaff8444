"""Stage ``quantize``: convert an exported model to the requested precision, by the rules of a runtime."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.runtime import Runtime
from core.kinds.stage import Known, Stage
from core.model_facts import Precision
from core.plugins.hookspecs import hookimpl
from core.storage.serial import Json, encode
from stages.quantize.config import QuantizeConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def quantize(
    config: QuantizeConfig, model: OnnxModel, table: CalibrationTable | None, context: RunContext
) -> QuantizedModel:
    """Write ``model`` in the requested precision, or in float32 for a runtime that quantises the model itself."""
    from stages.quantize.quantizing import quantize_model

    return quantize_model(config, model, table, context)


def check(config: QuantizeConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield why the quantizer cannot produce the precision by the rules of the runtime."""
    from stages.quantize.checking import problems

    return problems(config, context)


def select(config: QuantizeConfig, context: RunContext) -> Collection[type[Artifact]]:
    """Return the input types: the model, and the calibration table for int8."""
    return {OnnxModel, CalibrationTable} if config.stage_precision(context) is Precision.int8 else {OnnxModel}


def fingerprint(config: QuantizeConfig, context: RunContext) -> Mapping[str, Json]:
    """Return the facts of the runtime that shape the model: its name and rules. Its options do not."""
    runtime = context.registry.get(Runtime, config.backend)
    return {
        "runtime": runtime.name,
        "precision": config.stage_precision(context).value,
        "style": encode(runtime.qdq),
        "fixed_sizes": runtime.fixed_sizes,
    }


def known(config: QuantizeConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the known facts of the quantised model: those of the exported model, with the new precision."""
    model, precision = inputs.get("model", Known()), config.stage_precision(context)
    refused = any(check_inputs(config, inputs, context))
    quantised = not refused and precision not in {model.precision, Precision.fp32}
    title = "the quantised model" if quantised else model.title
    return replace(model, title=title, precision=precision, runtime=config.backend)


def check_inputs(config: QuantizeConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield why a model cannot be converted: it has another precision, or outputs boxes."""
    from stages.quantize.checking import fitting_problems

    return fitting_problems(config, inputs.get("model", Known()), context)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    yield Stage(
        name="quantize",
        summary="convert the model to fp32, fp16 or int8, by the rules of the runtime",
        run=quantize,
        select=select,
        fingerprint=fingerprint,
        check=check,
        known=known,
        check_inputs=check_inputs,
    )
