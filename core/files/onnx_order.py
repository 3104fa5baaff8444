"""Topological order of the nodes of an ONNX graph, which some exporters do not write."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs in the attributes of a node, e.g. the branches of ``If``."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def sort_nodes(graph: GraphProto) -> NodeProto | None:
    """Sort the nodes topologically, otherwise in the order of the file.

    Returns:
        None, or a node of a cycle; then the graph is unchanged.
    """
    nodes = list(graph.node)
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needed = [{makers[name] for name in _inputs(node) if name in makers} for node in nodes]
    if all(not before or max(before) < index for index, before in enumerate(needed)):
        return None
    order = _order(needed)
    if len(order) < len(nodes):
        return nodes[min(set(range(len(nodes))) - set(order))]
    copies = [nodes[index].SerializeToString() for index in order]
    kind = type(nodes[0])
    del graph.node[:]
    graph.node.extend(kind.FromString(copy) for copy in copies)
    return None


def _order(needed: list[set[int]]) -> list[int]:
    """Return the indices in topological order, without those of a cycle and its successors."""
    followers: dict[int, list[int]] = {}
    for index, before in enumerate(needed):
        for other in before:
            followers.setdefault(other, []).append(index)
    missing = [len(before) for before in needed]
    ready, order = deque(index for index, count in enumerate(missing) if not count), []
    while ready:
        index = ready.popleft()
        order.append(index)
        for follower in followers.get(index, ()):
            missing[follower] -= 1
            if not missing[follower]:
                ready.append(follower)
    return order


def _inputs(node: NodeProto) -> Iterator[str]:
    """Yield the names of the input tensors of a node and of the nodes in its subgraphs."""
    yield from node.input
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from _inputs(inner)
