"""Stage ``quantize``: an exported model in the precision that was asked for, by the rules of a runtime."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.artifacts import Artifact, CalibrationTable, Int8Route, Layout, OnnxModel, Precision, QuantizedModel
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.known import Known, known_of
from core.output_paths import output_path
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class QuantizeConfig:
    """Options of the stage.

    Attributes:
        precision: ``fp32`` leaves the model as it is, ``fp16`` keeps float32 inputs and outputs,
            ``int8`` needs a calibration.
        backend: The runtime whose rules the model follows.
        int8: ``qdq`` quantises here. With ``calibrator`` the runtime does it in the stage build, and a model for
            int8 stays float32 here.
    """

    precision: Precision = shared("precision", otherwise=Precision.fp32)
    backend: str = shared("backend", kind="runtimes", usable=False)
    int8: Int8Route = shared("build.int8")

    @property
    def here(self) -> Precision:
        """The precision that this stage gives."""
        later = self.precision is Precision.int8 and self.int8 is Int8Route.calibrator
        return Precision.fp32 if later else self.precision


def quantize(
    config: QuantizeConfig, model: OnnxModel, table: CalibrationTable | None, context: RunContext
) -> QuantizedModel:
    """Write ``model`` in the precision that was asked for, or float32 for a calibrator."""
    precision = config.here
    for problem in check_inputs(config, {"model": known_of(model)}, context):
        raise problem
    target = output_path(context.workdir, f"{model.path.stem}-{precision.value}.onnx")
    needed = table if precision is Precision.int8 else None
    context.runtime(config.backend).quantize(model, needed, target, precision=precision)
    return QuantizedModel(
        path=target,
        facts=model.facts,
        contract=model.contract,
        layout=model.layout,
        precision=precision,
        runtime=config.backend,
        fixed_sizes=context.registry.part("runtimes", config.backend).fixed_sizes,
    )


def select(config: QuantizeConfig) -> Collection[type[Artifact]]:
    """The calibration table, where it is needed."""
    return {OnnxModel, CalibrationTable} if config.here is Precision.int8 else {OnnxModel}


def known(config: QuantizeConfig, inputs: Mapping[str, Known], _context: RunContext) -> Known:
    """Return what is known of the exported model, and the precision that it gets."""
    model = inputs.get("model", Known())
    return replace(model, title="the quantised model", precision=config.here, runtime=config.backend)


def check_inputs(config: QuantizeConfig, inputs: Mapping[str, Known], _context: RunContext) -> Iterable[HooklineError]:
    """Yield why a model cannot get the precision: it has another one, or ends in boxes."""
    model, precision = inputs.get("model", Known()), config.here
    if model.precision is None or model.precision is precision:
        return
    if model.precision is not Precision.fp32:
        yield HooklineError(
            f"{model.title} is {model.precision.value} already, it cannot become {precision.value}",
            f"start from a float32 model, or set precision={model.precision.value}",
        )
    elif model.layout is not None and model.layout is not Layout.heads:
        yield HooklineError(
            f"a model of layout {model.layout.value} cannot become {precision.value}",
            "boxes need float32: set export.layout=heads",
        )


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="quantize",
        summary="fp32, fp16 or int8 by the rules of a runtime",
        run=quantize,
        packages=("numpy", "onnx", "onnx-graphsurgeon"),
        select=select,
        known=known,
        check_inputs=check_inputs,
    )
