"""Writes the ONNX file: the family exports, onnxsim folds, onnx.checker judges, metadata go in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnxsim

from core.artifacts import Checkpoint, OnnxModel
from core.context import RunContext
from core.errors import HooklineError, shown
from core.head import Head, Shape
from core.imgsz import network_size
from core.metadata import ModelMetadata, to_properties
from core.output_paths import output_path
from stages.export.parity import compare

if TYPE_CHECKING:
    from stages.export import ExportConfig


def export_onnx(config: ExportConfig, checkpoint: Checkpoint, context: RunContext) -> OnnxModel:
    """The stage's work; the artifact lies in the context's workdir.

    Raises:
        HooklineError: The size does not fit the strides, onnxsim gives up, or ONNX and PyTorch differ.
    """
    facts = checkpoint.facts
    height, width = network_size(config.imgsz, facts.max_stride)
    contract = context.family(facts.family).preprocessing.contract(
        batch=config.batch, height=height, width=width, dynamic=tuple(axis.value for axis in config.dynamic)
    )
    layout = config.layout or context.family(facts.family).layouts[0]
    head = context.head(facts, layout)
    name = re.sub(r"[^\w.-]", "_", facts.variant)
    target = output_path(context.workdir, f"{name}.onnx")
    family = context.model(facts.family)
    family.export(checkpoint, target, contract=contract, layout=layout, opset=config.opset)
    finish(target, ModelMetadata(facts, contract, layout), head, simplify=config.simplify)
    model = OnnxModel(path=target, facts=facts, contract=contract, layout=layout)
    with family.open(checkpoint, contract, layout=layout, device="cpu") as reference:
        context.note(f"export: {compare(model, head, reference, context.seed)}")
    return model


def finish(path: Path, metadata: ModelMetadata, head: Head, *, simplify: bool) -> None:
    """Simplify the file in place, name its output axes, write metadata, and run the full checker."""
    model = onnx.load(path)
    if simplify:
        model = _simplified(model)
    _set_shapes(model, head.outputs(metadata.contract))
    onnx.helper.set_model_props(model, to_properties(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    hint = "export.simplify=false leaves it as it is"
    try:
        simplified, same = onnxsim.simplify(model)
    except (RuntimeError, ValueError) as error:
        raise HooklineError(f"onnxsim cannot simplify the graph: {error}", hint) from error
    if not same:
        raise HooklineError("onnxsim changed what the graph computes", hint)
    return simplified


def _set_shapes(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> None:
    """Write the shapes of the outputs into the graph.

    Raises:
        HooklineError: The family's exporter wrote other outputs than its head says.
    """
    outputs = model.graph.output
    names = [output.name for output in outputs]
    if names != list(shapes):
        raise HooklineError(
            f"the exported file has the outputs {shown(names)}, the head of its family says {shown(list(shapes))}",
            "report it to whoever ships the family",
        )
    for output in outputs:
        kind = output.type.tensor_type.elem_type
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, shapes[output.name]))
