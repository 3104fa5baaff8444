"""Reading a heads model and checking that a decode can be appended to it."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from core.artifacts import Layout, ModelFacts, OnnxModel
from core.errors import HooklineError, shown
from core.onnx_file import check_onnx, read_onnx
from cuda_plugins import signature

MIN_OPSET = 13
"""From here on ``Split`` and ``ReduceSum`` take sizes and axes as inputs."""


def read_heads(model: OnnxModel) -> onnx.ModelProto:
    """Read the graph.

    Raises:
        HooklineError: The file is damaged, is grafted already, gives something else than heads, or the
            heads do not fit the classes and anchors that the artifact states.
    """
    graph = read_onnx(model.path)
    check_onnx(graph, model.path)
    _check_layout(model, graph)
    if (opset := default_opset(graph)) < MIN_OPSET:
        raise HooklineError(
            f"'{model.path.name}' has opset {opset}", f"the decode needs {MIN_OPSET} or later: set export.opset"
        )
    for level, head in enumerate(graph.graph.output):
        _check_head(head, model.facts, level)
    return graph


def default_opset(graph: onnx.ModelProto) -> int:
    """Version of the standard operators that the graph uses."""
    return next((int(item.version) for item in graph.opset_import if item.domain in {"", "ai.onnx"}), 0)


def _check_layout(model: OnnxModel, graph: onnx.ModelProto) -> None:
    outputs = [value.name for value in graph.graph.output]
    if model.layout is Layout.decoded or signature.BOXES in outputs:
        raise HooklineError(
            f"'{model.path.name}' is grafted already", "leave the graft out: +stage=build takes it as it is"
        )
    if model.layout is not Layout.heads or len(outputs) != len(model.facts.anchors):
        raise HooklineError(
            f"'{model.path.name}' gives {shown(outputs)}, but a decode follows one head per level",
            "start from the checkpoint (.pt); predict.model=heads runs a file of others as it is"
            if not model.facts.family
            else "export it again with export.layout=heads",
        )


def _check_head(head: onnx.ValueInfoProto, facts: ModelFacts, level: int) -> None:
    kind = head.type.tensor_type
    channels = [dim.dim_value for dim in kind.shape.dim][1:2]
    wanted = len(facts.anchors[level]) // 2 * (5 + facts.num_classes)
    if channels != [wanted]:
        raise HooklineError(
            f"head '{head.name}' has {channels[0] if channels else 'no'} channels",
            f"{len(facts.anchors[level]) // 2} anchors and {facts.num_classes} classes need {wanted}",
        )
    if kind.elem_type != TensorProto.FLOAT:
        raise HooklineError(
            f"head '{head.name}' is {TensorProto.DataType.Name(kind.elem_type)}",
            "heads must be FLOAT: keep float32 outputs",
        )
