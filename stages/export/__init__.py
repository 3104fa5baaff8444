"""Stage ``export``: export a checkpoint to ONNX, and verify its outputs against PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from core.artifacts import Checkpoint, OnnxModel
from core.errors import HooklineError
from core.kinds.stage import Known, Stage, families_of_inputs
from core.model_facts import DECODED, Precision
from core.options.sizes import network_size
from core.planning.known import layouts_of, refusals
from core.plugins.hookspecs import hookimpl
from stages.export.config import ExportConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def export(config: ExportConfig, checkpoint: Checkpoint, context: RunContext) -> OnnxModel:
    """Export, simplify and check the model, and compare its outputs with PyTorch; the stage fails above a tolerance."""
    from stages.export.exporting import export_onnx

    return export_onnx(config, checkpoint, context)


def check(config: ExportConfig) -> Iterable[HooklineError]:
    """Yield errors in the options alone."""
    if config.layout == DECODED:
        yield HooklineError(f"export.layout={DECODED} cannot be exported", "omit it; +stage=graft adds the decode step")
    try:
        network_size(config.imgsz, 1)
    except HooklineError as error:
        yield error


def known(config: ExportConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return the facts of the checkpoint and the layout."""
    checkpoint = inputs.get("checkpoint", Known())
    layouts = layouts_of(checkpoint, context)
    layout = config.layout or (layouts[0] if layouts else None)
    return replace(checkpoint, title="the exported model", precision=Precision.fp32, layout=layout, runtime=None)


def check_inputs(config: ExportConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield errors for an input size that is not a multiple of the stride, and for an unknown layout."""
    checkpoint = inputs.get("checkpoint", Known())
    if stride := checkpoint.max_stride:
        yield from refusals(network_size, config.imgsz, stride)
    layouts = layouts_of(checkpoint, context)
    if layouts and config.layout not in {None, DECODED, *layouts}:
        yield HooklineError(
            f"the model family '{checkpoint.family}' has no layout '{config.layout}'",
            f"possible: export.layout={' or '.join(layouts)}",
        )


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage ``export``."""
    yield Stage(
        name="export",
        summary="export the network to ONNX and verify its outputs against PyTorch",
        run=export,
        packages=("onnx", "onnxsim"),
        families=families_of_inputs,
        check=check,
        known=known,
        check_inputs=check_inputs,
    )
