"""The grafts that end a heads model in the decode of ``YoloLayer_TRT``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import inliner

from backends.graphsurgeon.decode import decode_function
from backends.graphsurgeon.heads import default_opset, read_heads
from core.artifacts import Layout, ModelFacts, QuantizedModel
from cuda_plugins import signature


class YoloLayerGraft:
    """Appends the node ``YoloLayer_TRT`` and its definition in standard operators."""

    def append(self, model: QuantizedModel, target: Path, *, score_threshold: float, namespace: str) -> tuple[str, ...]:
        """Write ``model`` with the node to ``target``.

        With a namespace (an ONNX domain) the file also carries the model-local function of the same
        name: ONNX Runtime runs it as it is, and TensorRT takes the plugin of that namespace. With
        ``namespace=""`` it is the bare node that C++ builds of the plugin expect, which only TensorRT
        can run: ONNX has no functions in its default domain.

        Returns:
            ``("YoloLayer_TRT",)`` for the bare node, else nothing.

        Raises:
            HooklineError: The model does not end in heads, or they do not fit its classes and anchors.
        """
        grafted = graft_decode(model, score_threshold=score_threshold, namespace=namespace)
        onnx.save(grafted, target)
        return () if namespace else (signature.OPERATOR,)


class OnnxGraft:
    """Appends the same decode as plain operators, for tools that know no functions (OpenVINO 2026.4 is one).

    There is no node, so ``namespace`` does not apply.
    """

    def append(
        self,
        model: QuantizedModel,
        target: Path,
        *,
        score_threshold: float,
        namespace: str,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Write ``model`` with the decode to ``target``; needs no operator beyond the standard."""
        grafted = graft_decode(model, score_threshold=score_threshold, namespace=signature.NAMESPACE)
        plain = inliner.inline_local_functions(grafted)
        onnx.checker.check_model(plain)
        onnx.save(plain, target)
        return ()


def graft_decode(model: QuantizedModel, *, score_threshold: float, namespace: str) -> onnx.ModelProto:
    """``model`` with the node ``YoloLayer_TRT``, and its function where there is a namespace."""
    source = read_heads(model)
    graph = gs.import_onnx(source)
    heads = [head.name for head in graph.outputs]
    _append_node(graph, model.facts, score_threshold, namespace)
    grafted = gs.export_onnx(graph, ir_version=source.ir_version)
    _copy_metadata(source, grafted, score_threshold)
    if namespace:
        opset = default_opset(source)
        grafted.functions.append(decode_function(heads, opset, namespace, dense=model.fixed_sizes))
        onnx.checker.check_model(grafted)
    return grafted


def _append_node(graph: gs.Graph, facts: ModelFacts, score_threshold: float, namespace: str) -> None:
    outputs = _outputs(graph.outputs, facts)
    graph.layer(
        op=signature.OPERATOR,
        name="decode",
        domain=namespace or None,
        inputs=list(graph.outputs),
        outputs=outputs,
        attrs={
            signature.MAX_STRIDE: facts.max_stride,
            signature.NUM_CLASSES: facts.num_classes,
            signature.ANCHORS: [float(value) for level in facts.anchors for value in level],
            signature.THRESHOLD: float(score_threshold),
            signature.PLUGIN_NAMESPACE: namespace,
            signature.PLUGIN_VERSION: signature.VERSION,
        },
    )
    graph.outputs = outputs


def _outputs(heads: list[gs.Variable], facts: ModelFacts) -> list[gs.Variable]:
    """The outputs with their shapes, as far as batch and size of the network are static."""
    batch, rows = heads[0].shape[0], _rows(heads, facts)
    return [
        gs.Variable(signature.NUM, np.int32, [batch, 1]),
        gs.Variable(signature.BOXES, np.float32, [batch, rows, 4]),
        gs.Variable(signature.SCORES, np.float32, [batch, rows]),
        gs.Variable(signature.CLASSES, np.int32, [batch, rows]),
    ]


def _rows(heads: list[gs.Variable], facts: ModelFacts) -> int | str:
    """N = A * sum(H*W); a name where the size of the network is dynamic."""
    rows = 0
    for head, anchors in zip(heads, facts.anchors, strict=True):
        height, width = head.shape[2:]
        if not isinstance(height, int) or not isinstance(width, int):
            return "rows"
        rows += len(anchors) // 2 * height * width
    return rows


def _copy_metadata(source: onnx.ModelProto, grafted: onnx.ModelProto, score_threshold: float) -> None:
    """Keep ``stride``, ``names`` and all else; our own entry says what the graph gives now."""
    metadata = {item.key: item.value for item in source.metadata_props}
    ours = json.loads(metadata.get("hookline", "{}"))
    ours |= {"layout": Layout.decoded.value, "score_threshold": score_threshold}
    onnx.helper.set_model_props(grafted, metadata | {"hookline": json.dumps(ours)})
