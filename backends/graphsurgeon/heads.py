"""Reading a heads model and checking that a decode can be appended to it."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from core.artifacts import DECODED, OnnxModel
from core.errors import HooklineError, shown
from core.head import DeviceDecode, Head
from core.onnx_file import check_onnx, read_onnx
from cuda_plugins import signature

MIN_OPSET = 13
"""From here on ``Split`` and ``ReduceSum`` take sizes and axes as inputs."""


def read_heads(model: OnnxModel, head: Head) -> tuple[onnx.ModelProto, DeviceDecode]:
    """Read the graph, and what ``YoloLayer_TRT`` needs to decode it.

    Raises:
        HooklineError: The file is damaged, is grafted already, gives something else than the head says, or its head
            is not one that the operator decodes.
    """
    graph = read_onnx(model.path)
    check_onnx(graph, model.path)
    decode = _decode(model, head, [value.name for value in graph.graph.output])
    if (opset := default_opset(graph)) < MIN_OPSET:
        raise HooklineError(
            f"'{model.path.name}' has opset {opset}", f"the decode needs {MIN_OPSET} or later: set export.opset"
        )
    shapes = head.outputs(model.contract)
    for output in graph.graph.output:
        _check_output(output, shapes[output.name][1])
    return graph, decode


def default_opset(graph: onnx.ModelProto) -> int:
    """Version of the standard operators that the graph uses."""
    return next((int(item.version) for item in graph.opset_import if item.domain in {"", "ai.onnx"}), 0)


def _decode(model: OnnxModel, head: Head, outputs: list[str]) -> DeviceDecode:
    decode = head.device_decode
    if model.layout == DECODED or signature.BOXES in outputs:
        raise HooklineError(
            f"'{model.path.name}' is grafted already", "leave the graft out: +stage=build takes it as it is"
        )
    if decode is None or decode.name != signature.OPERATOR:
        raise HooklineError(
            f"{signature.OPERATOR} does not decode the layout '{model.layout}' of the family '{model.facts.family}'",
            "export the model again without export.layout, or name another graft with decode=",
        )
    if outputs != list(decode.inputs):
        raise HooklineError(
            f"'{model.path.name}' gives {shown(outputs)}, but a decode follows {', '.join(decode.inputs)}",
            "export it again",
        )
    return decode


def _check_output(output: onnx.ValueInfoProto, wanted: int | str) -> None:
    kind = output.type.tensor_type
    channels = [dim.dim_value for dim in kind.shape.dim][1:2]
    if channels != [wanted]:
        raise HooklineError(
            f"head '{output.name}' has {channels[0] if channels else 'no'} channels",
            f"its anchors and classes need {wanted}: export the model again",
        )
    if kind.elem_type != TensorProto.FLOAT:
        raise HooklineError(
            f"head '{output.name}' is {TensorProto.DataType.Name(kind.elem_type)}",
            "heads must be FLOAT: keep float32 outputs",
        )
