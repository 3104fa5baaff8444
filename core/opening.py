"""One way to open whatever can be asked for boxes: for predict, evaluate and compare."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from core.artifacts import (
    AnyModel,
    Checkpoint,
    Engine,
    GraftedModel,
    InputContract,
    Layout,
    OnnxModel,
    QuantizedModel,
)
from core.context import RunContext
from core.imgsz import network_size
from core.parts import Session

ONNX_RUNTIME = "onnxruntime"


class ModelForm(str, Enum):
    """Which artifact of the chain is opened.

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


def open_model(
    model: AnyModel,
    context: RunContext,
    *,
    imgsz: int | Sequence[int] = 640,
    layout: Layout = Layout.heads,
) -> Session:
    """Open a model; use the session in a ``with`` block.

    An engine is opened by the runtime that built it, an ONNX file of any kind by ONNX Runtime, a
    checkpoint by its model family.

    Args:
        model: The artifact.
        context: Gives parts and the device.
        imgsz, layout: Of a checkpoint, which has neither; the others carry them.

    Raises:
        HooklineError: It does not fit this machine, or ``imgsz`` does not fit its strides.
    """
    if isinstance(model, Engine):
        return context.runtime(model.runtime).open(model, device=context.device)
    if isinstance(model, OnnxModel):
        return context.runtime(ONNX_RUNTIME).open(model, device=context.device)
    height, width = network_size(imgsz, model.facts.max_stride)
    contract = InputContract(batch=1, height=height, width=width, dynamic=("batch", "height", "width"))
    family = context.model(model.facts.family)
    return family.open(model, contract, layout=layout, device=context.device)
