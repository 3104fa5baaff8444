"""Stage ``export``: a checkpoint becomes an ONNX graph that is proved to give what PyTorch gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

from core.artifacts import DECODED, Checkpoint, OnnxModel, Precision
from core.config import shared
from core.errors import HooklineError
from core.families import families_of_inputs
from core.hookspecs import hookimpl
from core.imgsz import DEFAULT
from core.known import Known, layouts_of, refusals
from core.ranges import BatchSize, Range
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

OPSETS = range(13, 21)
"""From the first with quantisation per channel to the last that PyTorch's exporter writes."""


class Axis(str, Enum):
    """An axis of the input that may change from call to call."""

    batch = "batch"
    height = "height"
    width = "width"


@dataclass
class ExportConfig:
    """Options of the stage.

    Attributes:
        imgsz: Input size in pixels, one number or [height, width]; multiples of the largest stride.
        batch: Images per call; where the batch is dynamic, the number to use.
        dynamic: Axes that may change: batch, height, width.
        layout: What the file gives: one of the layouts of the model family (docs/contracts.md); null: its first one,
            which quantize and graft take.
        opset: ONNX opset.
        simplify: Fold constants and shapes with onnxsim.
    """

    imgsz: Any = shared("imgsz", otherwise=DEFAULT)
    batch: BatchSize = 1
    dynamic: list[Axis] = field(default_factory=list)
    layout: str | None = None
    opset: Annotated[int, Range(OPSETS[0], OPSETS[-1])] = 17
    simplify: bool = True


def export(config: ExportConfig, checkpoint: Checkpoint, context: RunContext) -> OnnxModel:
    """Export, simplify, check, and compare with PyTorch; a difference above the tolerance fails the stage."""
    from stages.export.exporting import export_onnx

    return export_onnx(config, checkpoint, context)


def check(config: ExportConfig) -> Iterable[HooklineError]:
    """Options that no model can be exported with."""
    from core.imgsz import network_size

    if config.layout == DECODED:
        yield HooklineError(f"export.layout={DECODED} is not exported", "leave it out; +stage=graft decodes")
    try:
        network_size(config.imgsz, 1)
    except HooklineError as error:
        yield error


def known(config: ExportConfig, inputs: Mapping[str, Known], context: RunContext) -> Known:
    """Return what is known of the checkpoint, and the layout."""
    checkpoint = inputs.get("checkpoint", Known())
    layouts = layouts_of(checkpoint, context)
    layout = config.layout or (layouts[0] if layouts else None)
    return replace(checkpoint, title="the exported model", precision=Precision.fp32, layout=layout, runtime=None)


def check_inputs(config: ExportConfig, inputs: Mapping[str, Known], context: RunContext) -> Iterable[HooklineError]:
    """Yield an input size that is off the stride of the network, and a layout that its family does not have."""
    from core.imgsz import network_size

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
    """The stage of this package."""
    yield Stage(
        name="export",
        summary="write the network as ONNX and prove that it gives what PyTorch gives",
        run=export,
        packages=("onnx", "onnxsim"),
        families=families_of_inputs,
        check=check,
        known=known,
        check_inputs=check_inputs,
    )
