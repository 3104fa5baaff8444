"""Writes the ONNX file: the family exports, onnxsim folds, onnx.checker judges, metadata go in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnxsim

from core.artifacts import Checkpoint, InputContract, Layout, ModelFacts, OnnxModel
from core.context import RunContext
from core.errors import HooklineError
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
    name = re.sub(r"[^\w.-]", "_", facts.variant)
    target = output_path(context.workdir, f"{name}.onnx")
    family = context.model(facts.family)
    family.export(checkpoint, target, contract=contract, layout=config.layout, opset=config.opset)
    finish(target, ModelMetadata(facts, contract, config.layout), simplify=config.simplify)
    model = OnnxModel(path=target, facts=facts, contract=contract, layout=config.layout)
    with family.open(checkpoint, contract, layout=config.layout, device="cpu") as reference:
        context.note(f"export: {compare(model, reference, context.seed)}")
    return model


def finish(path: Path, metadata: ModelMetadata, *, simplify: bool) -> None:
    """Simplify the file in place, name its output axes, write metadata, and run the full checker."""
    model = onnx.load(path)
    if simplify:
        model = _simplified(model)
    for output in model.graph.output:
        _set_shape(output, output_shape(output.name, metadata.facts, metadata.contract, metadata.layout))
    onnx.helper.set_model_props(model, to_properties(metadata))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def output_shape(name: str, facts: ModelFacts, contract: InputContract, layout: Layout) -> tuple[int | str, ...]:
    """Sizes of an output's axes, a name where an axis is dynamic."""
    batch = "batch" if "batch" in contract.dynamic else contract.batch
    per_anchor = 5 + facts.num_classes
    cells = [(contract.height // stride, contract.width // stride) for stride in facts.strides]
    if layout is Layout.classic:
        rows = sum(
            height * width * len(anchors) // 2 for (height, width), anchors in zip(cells, facts.anchors, strict=True)
        )
        return batch, "boxes" if {"height", "width"} & set(contract.dynamic) else rows, per_anchor
    level = int(name.removeprefix("p")) - 3
    height = f"height_{name}" if "height" in contract.dynamic else cells[level][0]
    width = f"width_{name}" if "width" in contract.dynamic else cells[level][1]
    return batch, len(facts.anchors[level]) // 2 * per_anchor, height, width


def _simplified(model: Any) -> Any:
    hint = "export.simplify=false leaves it as it is"
    try:
        simplified, same = onnxsim.simplify(model)
    except (RuntimeError, ValueError) as error:
        raise HooklineError(f"onnxsim cannot simplify the graph: {error}", hint) from error
    if not same:
        raise HooklineError("onnxsim changed what the graph computes", hint)
    return simplified


def _set_shape(output: Any, shape: tuple[int | str, ...]) -> None:
    kind = output.type.tensor_type.elem_type
    output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, shape))
