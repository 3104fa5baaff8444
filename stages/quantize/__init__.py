"""Stage ``quantize``: convert an exported model to the requested precision, by the rules of a runtime."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, OnnxModel, QuantizedModel
from core.errors import HooklineError
from core.files.paths import output_path
from core.kinds.quantizer import QuantizeJob, Quantizer
from core.kinds.runtime import Runtime
from core.kinds.stage import Known, Stage
from core.model_facts import DECODED, Precision
from core.planning.known import known_of, layouts_of
from core.plugins.hookspecs import hookimpl
from core.storage.serial import Json, encode
from stages.quantize.config import QuantizeConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def quantize(
    config: QuantizeConfig, model: OnnxModel, table: CalibrationTable | None, context: RunContext
) -> QuantizedModel:
    """Write ``model`` in the requested precision, or in float32 for a runtime that quantises itself."""
    precision = config.stage_precision(context)
    for problem in (*check(config, context), *check_inputs(config, {"model": known_of(model)}, context)):
        raise problem
    runtime = context.registry.get(Runtime, config.backend)
    job = QuantizeJob(
        model=model,
        precision=precision,
        target=output_path(context.workdir, f"{model.path.stem}-{precision.value}.onnx"),
        table=table if precision is Precision.int8 else None,
        style=runtime.qdq,
    )
    _written(config.quantizer, job, context)
    return QuantizedModel(
        path=job.target,
        facts=model.facts,
        contract=model.contract,
        layout=model.layout,
        precision=precision,
        runtime=config.backend,
        fixed_sizes=runtime.fixed_sizes,
    )


def _written(quantizer: str, job: QuantizeJob, context: RunContext) -> None:
    from core.plugins.failures import faults_of
    from core.plugins.model_results import check_model

    context.quantizer(quantizer).quantize(job)
    with faults_of("quantizers", quantizer, context.registry):
        check_model(job.target, job.model, job.precision)


def check(config: QuantizeConfig, context: RunContext) -> Iterable[HooklineError]:
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
    model, precision = inputs.get("model", Known()), config.stage_precision(context)
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
            f"a model of layout {model.layout} cannot be converted to {precision.value}", f"boxes need float32{remedy}"
        )


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
