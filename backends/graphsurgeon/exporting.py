"""From GraphSurgeon back to ONNX without losing what GraphSurgeon does not keep."""

from __future__ import annotations

import onnx
import onnx_graphsurgeon as gs


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
