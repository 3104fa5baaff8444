"""Convert a model with a quantizer, and check what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.artifacts import CalibrationTable, OnnxModel, QuantizedModel
from core.containment.failures import faults_of
from core.containment.model_results import check_model
from core.files.paths import output_path
from core.kinds.quantizer import QuantizeJob
from core.kinds.runtime import Runtime
from core.model_facts import Precision
from core.planning.known import known_of
from stages.quantize.checking import fitting_problems, problems

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.quantize.config import QuantizeConfig


def quantize_model(
    config: QuantizeConfig, model: OnnxModel, table: CalibrationTable | None, context: RunContext
) -> QuantizedModel:
    """Write ``model`` in the requested precision, or in float32 for a runtime that quantises the model itself.

    Raises:
        HooklineError: The quantizer or the runtime does not support the precision, or the model has another one.
        PluginError: The quantizer did not write what the job describes.
    """
    precision = config.stage_precision(context)
    for problem in (*problems(config, context), *fitting_problems(config, known_of(model), context)):
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
    context.quantizer(quantizer).quantize(job)
    with faults_of("quantizers", quantizer, context.registry):
        check_model(job.target, job.model, job.precision)
