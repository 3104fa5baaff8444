"""The grafts ``yolo_layer`` and ``onnx``: append the decode step as one node or as standard operators."""

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
"""The first opset in which ``Split`` and ``ReduceSum`` take sizes and axes as inputs."""


def read_heads(model: OnnxModel, head: Head) -> tuple[onnx.ModelProto, DeviceDecode]:
    """Read the graph, and the attributes that ``YoloLayer_TRT`` needs to decode it.

    Raises:
        HooklineError: The file is damaged or already grafted, its outputs differ from the head, or ``YoloLayer_TRT``
            cannot decode the head.
    """
    graph = read_onnx(model.path)
    check_onnx(graph, model.path)
    decode = _decode(model, head, [value.name for value in graph.graph.output])
    if (opset := default_opset(graph)) < MIN_OPSET:
        raise HooklineError(
            f"'{model.path.name}' has opset {opset}", f"the decode step needs {MIN_OPSET} or later: set export.opset"
        )
    shapes = head.outputs(model.contract)
    for output in graph.graph.output:
        _check_output(output, shapes[output.name][1])
    return graph, decode


def default_opset(graph: onnx.ModelProto) -> int:
    """Return the opset of the standard operators of a graph."""
    return next((int(item.version) for item in graph.opset_import if item.domain in {"", "ai.onnx"}), 0)


def _decode(model: OnnxModel, head: Head, outputs: list[str]) -> DeviceDecode:
    decode = head.device_decode
    if model.layout == DECODED or signature.BOXES in outputs:
        raise HooklineError(
            f"'{model.path.name}' is already grafted", "remove the stage graft: +stage=build accepts this file"
        )
    if decode is None or decode.name != signature.OPERATOR:
        raise HooklineError(
            f"{signature.OPERATOR} cannot decode the layout '{model.layout}' of the family '{model.facts.family}'",
            "export the model again without export.layout, or set another graft with decode=",
        )
    if outputs != list(decode.inputs):
        raise HooklineError(
            f"'{model.path.name}' has the outputs {shown(outputs)}, but the graft needs {', '.join(decode.inputs)}",
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
            "heads must be FLOAT: export the model with float32 outputs",
        )


class YoloLayerGraft:
    """Appends the node ``YoloLayer_TRT`` and its definition in standard operators.

    With a namespace (an ONNX domain) the file also has a model-local function of the same name: ONNX Runtime runs the
    function, and TensorRT uses the plugin of that namespace. ``namespace=""`` writes the bare node that C++ builds of
    the plugin expect. Only TensorRT can run it: ONNX has no functions in its default domain.
    """

    def __init__(self, options: YoloLayerOptions) -> None:
        self._namespace = options.namespace

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Write ``model`` with the node to ``target``.

        Returns:
            ``("YoloLayer_TRT",)`` for the bare node, otherwise an empty tuple.

        Raises:
            HooklineError: The operator cannot decode this head, or the file does not have its outputs.
        """
        grafted = graft_decode(model, head, score_threshold=score_threshold, namespace=self._namespace)
        onnx.save(grafted, target)
        return () if self._namespace else (signature.OPERATOR,)


class OnnxGraft:
    """Appends the same decode step in standard operators, for tools without ONNX functions such as OpenVINO 2026.4."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Write ``model`` with the decode step to ``target``. It needs standard operators only."""
        grafted = graft_decode(model, head, score_threshold=score_threshold, namespace=signature.NAMESPACE)
        plain = inliner.inline_local_functions(grafted)
        onnx.checker.check_model(plain)
        onnx.save(plain, target)
        return ()


def graft_decode(model: QuantizedModel, head: Head, *, score_threshold: float, namespace: str) -> onnx.ModelProto:
    """Return ``model`` with the node ``YoloLayer_TRT``, and its function if there is a namespace."""
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
    """Return the outputs; their shapes are static where batch and input size are."""
    batch, rows = heads[0].shape[0], _rows(heads, settings)
    return [
        gs.Variable(signature.NUM, np.int32, [batch, 1]),
        gs.Variable(signature.BOXES, np.float32, [batch, rows, 4]),
        gs.Variable(signature.SCORES, np.float32, [batch, rows]),
        gs.Variable(signature.CLASSES, np.int32, [batch, rows]),
    ]


def _rows(heads: list[gs.Variable], settings: Settings) -> int | str:
    """Return N = A * sum(H*W); a name if the input size is dynamic."""
    cells = 0
    for head in heads:
        height, width = head.shape[2:]
        if not isinstance(height, int) or not isinstance(width, int):
            return "rows"
        cells += height * width
    return len(settings.anchors) // (2 * len(heads)) * cells
