"""One form for the graphs that ONNX Runtime optimised: it creates some nodes in the order of addresses in memory."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import onnx

REORDER = "ReorderOutput"
"""Leaves a blocked layout. These nodes come in another order, and under other names, each time a graph is optimised."""


def make_canonical(path: Path) -> None:
    """Rewrite an optimised graph so that equal models give equal bytes.

    Each reordering node follows the node whose result it reorders, and is named by its own result. All other nodes
    keep their order.
    """
    model = onnx.load(path)
    reorders: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        if node.op_type == REORDER:
            node.name = f"{REORDER} {node.output[0]}"
            reorders[node.input[0]].append(node)
    if not reorders:
        return
    ordered = []
    for node in model.graph.node:
        if node.op_type == REORDER:
            continue
        ordered.append(node)
        for name in node.output:
            ordered += sorted(reorders[name], key=lambda item: str(item.output[0]))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString(deterministic=True))
