"""The order of a graph, and writing it."""

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
    """All pairs of nodes that compute x * sigmoid(x) and whose sigmoid nobody else needs."""
    found = []
    for node in graph.nodes:
        if node.op != "Sigmoid" or node.outputs[0] in graph.outputs or len(node.outputs[0].outputs) != 1:
            continue
        follower = node.outputs[0].outputs[0]
        if follower.op == "Mul" and any(item is node.inputs[0] for item in follower.inputs):
            found.append(Silu(node, follower))
    return found


def integer_nodes(graph: gs.Graph, style: QdqStyle) -> list[gs.Node]:
    """The nodes that are quantised, in graph order: Conv and what ``style`` takes besides, from stem to heads.

    A Conv that follows no other is the stem; one that no other follows gives a head, and stays float.
    """
    graph.toposort()
    ending = _beyond([(node, node.outputs, node.inputs) for node in reversed(graph.nodes)], _convs(graph))
    begun = _begun(graph, style.float_channels) if style.float_stem else set(map(id, graph.nodes))
    return [
        node
        for node in graph.nodes
        if (node.op == "Conv" or node.op in style.through) and id(node) in begun and id(node) in ending
    ]


def is_pointwise(node: gs.Node) -> bool:
    """Whether a node is a Conv that multiplies the channels of every pixel by one matrix."""
    if node.op != "Conv" or list((node.inputs[1].shape or [])[2:]) != [1, 1] or node.attrs.get("group", 1) != 1:
        return False
    return set(node.attrs.get("strides", [1])) == {1} and not any(node.attrs.get("pads", []))


def made_by(tensor: gs.Tensor, op: str) -> bool:
    """Whether an operator ``op`` gives ``tensor``."""
    return [node.op for node in tensor.inputs] == [op]


def shortcut_of(add: gs.Node) -> int | None:
    """Which input of a residual Add goes round the convolutions: the one that the other is made from."""
    for index in (0, 1):
        if id(add.inputs[index]) in _ancestors(add.inputs[1 - index]):
            return index
    return None


def _begun(graph: gs.Graph, float_channels: int) -> set[int]:
    """Ids of what lies behind the stem, from the first Conv on that gives more than ``float_channels``.

    Where all are as narrow as that, from the first on.
    """
    steps = [(node, node.inputs, node.outputs) for node in graph.nodes]
    behind = _beyond(steps, _convs(graph))
    wide = {id(node) for node in graph.nodes if id(node) in behind and _given_channels(node) > float_channels}
    return wide | _beyond(steps, wide) if wide else behind


def _convs(graph: gs.Graph) -> set[int]:
    return {id(node) for node in graph.nodes if node.op == "Conv"}


def _given_channels(node: gs.Node) -> int:
    """Of a Conv with static weights; 0 of anything else."""
    shape = node.inputs[1].shape if node.op == "Conv" else None
    return int(shape[0]) if shape else 0


def _beyond(steps: Iterable[tuple[gs.Node, Sequence[gs.Tensor], Sequence[gs.Tensor]]], starts: set[int]) -> set[int]:
    """Ids of the nodes beyond one of ``starts``; a step is a node, the tensors it comes from, those it leads to."""
    nodes: set[int] = set()
    tensors: set[int] = set()
    for node, origin, result in steps:
        if not tensors.isdisjoint(map(id, origin)):
            nodes.add(id(node))
        if id(node) in starts or id(node) in nodes:
            tensors.update(map(id, result))
    return nodes


def _ancestors(tensor: gs.Tensor) -> set[int]:
    """Ids of the tensors that ``tensor`` is computed from."""
    found: set[int] = set()
    waiting = [tensor]
    while waiting:
        for node in waiting.pop().inputs:
            new = [item for item in node.inputs if id(item) not in found]
            found.update(map(id, new))
            waiting += new
    return found


def import_copy(model: onnx.ModelProto) -> gs.Graph:
    """The graph of a copy of ``model``: GraphSurgeon adds domains to the model that it is given."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return gs.import_onnx(copy)


def export_like(graph: gs.Graph, source: onnx.ModelProto) -> onnx.ModelProto:
    """``graph`` in topological order without dead ends, with IR version and metadata of ``source``."""
    model: onnx.ModelProto = gs.export_onnx(graph.cleanup().toposort(), ir_version=source.ir_version)
    onnx.helper.set_model_props(model, {item.key: item.value for item in source.metadata_props})
    return model
