"""Questions about a graph that quantisation asks: what lies between which convolutions, what is a SiLU."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs


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


def integer_nodes(graph: gs.Graph, through: Collection[str], *, float_stem: bool) -> list[gs.Node]:
    """The nodes that are quantised, in graph order: Conv and ``through``, between stem and heads.

    A Conv that no other Conv follows gives a head; with ``float_stem`` one that follows no other is the stem.
    """
    graph.toposort()
    forward = [(node, node.inputs, node.outputs) for node in graph.nodes]
    backward = [(node, node.outputs, node.inputs) for node in reversed(graph.nodes)]
    after, before = _beyond_conv(forward), _beyond_conv(backward)
    return [
        node
        for node in graph.nodes
        if (node.op == "Conv" or node.op in through) and id(node) in before and (not float_stem or id(node) in after)
    ]


def shortcut_of(add: gs.Node) -> int | None:
    """Which input of a residual Add goes round the convolutions: the one that the other is made from."""
    for index in (0, 1):
        if id(add.inputs[index]) in _ancestors(add.inputs[1 - index]):
            return index
    return None


def _beyond_conv(steps: Iterable[tuple[gs.Node, Sequence[gs.Tensor], Sequence[gs.Tensor]]]) -> set[int]:
    """Ids of the nodes that lie beyond a Conv; a step is a node, the tensors it comes from, those it leads to."""
    nodes: set[int] = set()
    tensors: set[int] = set()
    for node, origin, result in steps:
        if not tensors.isdisjoint(map(id, origin)):
            nodes.add(id(node))
        if node.op == "Conv" or id(node) in nodes:
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
