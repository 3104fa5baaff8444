"""Find nodes by their position in a graph; import and export graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx
import onnx_graphsurgeon as gs

from core.kinds.quantizer import QdqStyle


@dataclass(frozen=True)
class Silu:
    """x * sigmoid(x) as two nodes."""

    sigmoid: gs.Node
    multiply: gs.Node

    @property
    def source(self) -> gs.Variable:
        """x."""
        return self.sigmoid.inputs[0]

    @property
    def result(self) -> gs.Variable:
        """x * sigmoid(x)."""
        return self.multiply.outputs[0]


def find_silus(graph: gs.Graph) -> list[Silu]:
    """Return all node pairs that compute x * sigmoid(x) and whose sigmoid has no other consumer."""
    found = []
    for node in graph.nodes:
        if node.op != "Sigmoid" or node.outputs[0] in graph.outputs or len(node.outputs[0].outputs) != 1:
            continue
        follower = node.outputs[0].outputs[0]
        if follower.op == "Mul" and any(item is node.inputs[0] for item in follower.inputs):
            found.append(Silu(node, follower))
    return found


def integer_nodes(graph: gs.Graph, style: QdqStyle) -> list[gs.Node]:
    """Return the nodes to quantise, in graph order: Convs and the operators of ``style``, from stem to heads.

    The stem is a Conv that no other Conv precedes. The last Convs give the heads and stay float.
    """
    graph.toposort()
    ending = _beyond([(node, node.outputs, node.inputs) for node in reversed(graph.nodes)], _convs(graph))
    after_stem = _after_stem(graph, style.float_channels) if style.float_stem else set(map(id, graph.nodes))
    return [
        node
        for node in graph.nodes
        if (node.op == "Conv" or node.op in style.through) and id(node) in after_stem and id(node) in ending
    ]


def is_pointwise(node: gs.Node) -> bool:
    """Return whether a node is a Conv that multiplies the channels of every pixel by one matrix."""
    if node.op != "Conv" or list((node.inputs[1].shape or [])[2:]) != [1, 1] or node.attrs.get("group", 1) != 1:
        return False
    return set(node.attrs.get("strides", [1])) == {1} and not any(node.attrs.get("pads", []))


def made_by(tensor: gs.Tensor, op: str) -> bool:
    """Return whether ``tensor`` is the output of an operator ``op``."""
    return [node.op for node in tensor.inputs] == [op]


def shortcut_of(add: gs.Node) -> int | None:
    """Return the index of the residual input of an Add: the one that the other is computed from."""
    for index in (0, 1):
        if id(add.inputs[index]) in _ancestors(add.inputs[1 - index]):
            return index
    return None


def _after_stem(graph: gs.Graph, float_channels: int) -> set[int]:
    """Return the ids of the nodes from the first Conv after the stem with more than ``float_channels`` output channels.

    If there is none, from the first Conv after the stem.
    """
    steps = [(node, node.inputs, node.outputs) for node in graph.nodes]
    nodes = _beyond(steps, _convs(graph))
    wide = {id(node) for node in graph.nodes if id(node) in nodes and _output_channels(node) > float_channels}
    return wide | _beyond(steps, wide) if wide else nodes


def _convs(graph: gs.Graph) -> set[int]:
    return {id(node) for node in graph.nodes if node.op == "Conv"}


def _output_channels(node: gs.Node) -> int:
    """Return the output channels of a Conv with constant weights; 0 for other nodes."""
    shape = node.inputs[1].shape if node.op == "Conv" else None
    return int(shape[0]) if shape else 0


def _beyond(steps: Iterable[tuple[gs.Node, Sequence[gs.Tensor], Sequence[gs.Tensor]]], starts: set[int]) -> set[int]:
    """Return the ids of the nodes beyond ``starts``. A step is a node, its input tensors and its output tensors."""
    nodes: set[int] = set()
    tensors: set[int] = set()
    for node, origin, result in steps:
        if not tensors.isdisjoint(map(id, origin)):
            nodes.add(id(node))
        if id(node) in starts or id(node) in nodes:
            tensors.update(map(id, result))
    return nodes


def _ancestors(tensor: gs.Tensor) -> set[int]:
    """Return the ids of the tensors that ``tensor`` is computed from."""
    found: set[int] = set()
    waiting = [tensor]
    while waiting:
        for node in waiting.pop().inputs:
            new = [item for item in node.inputs if id(item) not in found]
            found.update(map(id, new))
            waiting += new
    return found


def import_copy(model: onnx.ModelProto) -> gs.Graph:
    """Import a copy of ``model``, because GraphSurgeon adds domains to the model it imports."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return gs.import_onnx(copy)


def export_like(graph: gs.Graph, source: onnx.ModelProto) -> onnx.ModelProto:
    """Export ``graph`` sorted and without unused nodes, with the IR version and metadata of ``source``."""
    model: onnx.ModelProto = gs.export_onnx(graph.cleanup().toposort(), ir_version=source.ir_version)
    onnx.helper.set_model_props(model, {item.key: item.value for item in source.metadata_props})
    return model
