"""The order of the nodes of an ONNX graph. Some exporters write nodes before those whose results they take."""

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
    """Put each node after those whose results it takes, otherwise in the order of the file.

    Returns:
        A node that needs its own result, and nothing is changed; None where there is none.
    """
    nodes = list(graph.node)
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needed = [{makers[name] for name in _taken(node) if name in makers} for node in nodes]
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
    """Return the indices in an order in which they can be computed, without those of a cycle and what follows it."""
    followers: dict[int, list[int]] = {}
    for index, before in enumerate(needed):
        for other in before:
            followers.setdefault(other, []).append(index)
    left = [len(before) for before in needed]
    ready, order = deque(index for index, count in enumerate(left) if not count), []
    while ready:
        index = ready.popleft()
        order.append(index)
        for follower in followers.get(index, ()):
            left[follower] -= 1
            if not left[follower]:
                ready.append(follower)
    return order


def _taken(node: NodeProto) -> Iterator[str]:
    """Yield the names of the tensors that a node takes, and its subgraphs from outside."""
    yield from node.input
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from _taken(inner)
