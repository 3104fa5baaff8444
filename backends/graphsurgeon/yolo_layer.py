"""The grafts: the plugin node ``YoloLayer_TRT``, and plain operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, inliner

from backends.graphsurgeon.decode import decode_function
from backends.graphsurgeon.options import YoloLayerOptions
from core.artifacts import OnnxModel, QuantizedModel
from core.errors import HooklineError, shown
from core.files.onnx_file import check_onnx, read_onnx
from core.kinds.head import DeviceDecode, Head
from core.model_facts import DECODED
from cuda_plugins import signature
from cuda_plugins.yolo_layer_settings import Settings, from_arrays

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


class YoloLayerGraft:
    """Appends the node ``YoloLayer_TRT`` and its definition in standard operators.

    With a namespace (an ONNX domain) the file also carries the model-local function of the same name: ONNX Runtime runs
    it as it is, and TensorRT takes the plugin of that namespace. With ``namespace=""`` it is the bare node that C++
    builds of the plugin expect, which only TensorRT can run: ONNX has no functions in its default domain.
    """

    def __init__(self, options: YoloLayerOptions) -> None:
        self._namespace = options.namespace

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Write ``model`` with the node to ``target``.

        Returns:
            ``("YoloLayer_TRT",)`` for the bare node, else nothing.

        Raises:
            HooklineError: The operator does not decode this head, or the file does not have it.
        """
        grafted = graft_decode(model, head, score_threshold=score_threshold, namespace=self._namespace)
        onnx.save(grafted, target)
        return () if self._namespace else (signature.OPERATOR,)


class OnnxGraft:
    """Appends the same decode as plain operators, for tools that know no functions (OpenVINO 2026.4 is one)."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Write ``model`` with the decode to ``target``; needs no operator beyond the standard."""
        grafted = graft_decode(model, head, score_threshold=score_threshold, namespace=signature.NAMESPACE)
        plain = inliner.inline_local_functions(grafted)
        onnx.checker.check_model(plain)
        onnx.save(plain, target)
        return ()


def graft_decode(model: QuantizedModel, head: Head, *, score_threshold: float, namespace: str) -> onnx.ModelProto:
    """``model`` with the node ``YoloLayer_TRT``, and its function where there is a namespace."""
    source, decode = read_heads(model, head)
    graph = gs.import_onnx(source)
    heads = [output.name for output in graph.outputs]
    _append_node(graph, decode, score_threshold, namespace)
    grafted = gs.export_onnx(graph, ir_version=source.ir_version)
    if namespace:
        opset = default_opset(source)
        grafted.functions.append(decode_function(heads, opset, namespace, dense=model.fixed_sizes))
        onnx.checker.check_model(grafted)
    return grafted


def _append_node(graph: gs.Graph, decode: DeviceDecode, score_threshold: float, namespace: str) -> None:
    settings = from_arrays([*decode.attributes.items(), (signature.THRESHOLD, score_threshold)])
    outputs = _outputs(graph.outputs, settings)
    graph.layer(
        op=signature.OPERATOR,
        name="decode",
        domain=namespace or None,
        inputs=list(graph.outputs),
        outputs=outputs,
        attrs={
            signature.MAX_STRIDE: settings.max_stride,
            signature.NUM_CLASSES: settings.num_classes,
            signature.ANCHORS: list(settings.anchors),
            signature.THRESHOLD: float(score_threshold),
            signature.PLUGIN_NAMESPACE: namespace,
            signature.PLUGIN_VERSION: signature.VERSION,
        },
    )
    graph.outputs = outputs


def _outputs(heads: list[gs.Variable], settings: Settings) -> list[gs.Variable]:
    """The outputs with their shapes, as far as batch and size of the network are static."""
    batch, rows = heads[0].shape[0], _rows(heads, settings)
    return [
        gs.Variable(signature.NUM, np.int32, [batch, 1]),
        gs.Variable(signature.BOXES, np.float32, [batch, rows, 4]),
        gs.Variable(signature.SCORES, np.float32, [batch, rows]),
        gs.Variable(signature.CLASSES, np.int32, [batch, rows]),
    ]


def _rows(heads: list[gs.Variable], settings: Settings) -> int | str:
    """N = A * sum(H*W); a name where the size of the network is dynamic."""
    cells = 0
    for head in heads:
        height, width = head.shape[2:]
        if not isinstance(height, int) or not isinstance(width, int):
            return "rows"
        cells += height * width
    return len(settings.anchors) // (2 * len(heads)) * cells
