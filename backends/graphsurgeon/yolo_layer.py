"""The grafts that end a heads model in the decode of ``YoloLayer_TRT``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import inliner

from backends.graphsurgeon.decode import decode_function
from backends.graphsurgeon.heads import default_opset, read_heads
from backends.graphsurgeon.plugin import YoloLayerOptions
from core.artifacts import QuantizedModel
from core.head import DeviceDecode, Head
from cuda_plugins import signature
from cuda_plugins.yolo_layer_settings import Settings, from_arrays


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
