"""Reading of ONNX files in bounded time and memory; external data is refused.

A small file can describe unlimited work: tensors that are larger than the file, functions that call each other, loops,
shapes of any size. They are refused here, before ONNX Runtime, GraphSurgeon or NumPy read the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, checker, helper, shape_inference

from core.errors import HooklineError, one_line, shown
from core.files.onnx_order import sort_nodes, subgraphs
from core.files.regular_file import read_regular

MAX_BYTES = (1 << 31) - 1
"""Maximum number of bytes of a file, the limit of protobuf."""
MAX_NODES = 50_000
"""Maximum number of nodes; those of a function count at each call. Detectors have about 1,000."""
MAX_NESTING = 8
"""Maximum depth of nested functions and subgraphs; the decode function of hookline has depth 1."""
MAX_ELEMENTS = 1 << 31
"""Maximum number of elements of a tensor with a known shape: 8 GiB of float32."""
REPEATING = frozenset({"Loop", "Scan", "SequenceMap"})
"""Operators that may run forever; exported detectors do not contain them."""
MAX_SHAPE_BYTES = 1024
"""Maximum number of bytes of an initializer that can be a shape."""
PACKED = ("INT4", "INT2", "FLOAT4E2M1")
"""Suffixes of the names of data types with several elements per byte."""
_HINT = "export it again"


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file within the limits of SECURITY.md, with its nodes in topological order.

    Args:
        path: The file.

    Raises:
        HooklineError: The file is missing, truncated, not an ONNX model, has external data, or exceeds a limit.
    """
    model = _parse(path)
    try:
        _check_tensors(model)
        _check_nodes(model)
        if cycle := sort_nodes(model.graph):
            raise _GraphError(f"has a cycle: node '{cycle.name}' ({cycle.op_type}) depends on its own output")
        _check_shapes(model)
    except _GraphError as error:
        raise HooklineError(f"'{path}' {error}", error.hint) from error
    return model


def check_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a graph that is invalid by the ONNX standard.

    Raises:
        HooklineError: The ONNX checker refuses the graph; the message contains its reason.
    """
    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise HooklineError(f"'{path}' is not a valid ONNX model ({one_line(str(error))})", _HINT) from error


def infer_shapes(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return the model with the inferred types and shapes of its inner tensors.

    Raises:
        HooklineError: Shapes or types in the graph contradict each other.
    """
    try:
        return shape_inference.infer_shapes(model)
    except shape_inference.InferenceError as error:
        raise HooklineError(f"'{path}' has contradictory shapes or types ({one_line(str(error))})", _HINT) from error


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs without the weights, which IR versions before 4 list as inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [item for item in model.graph.input if item.name not in weights]


class _GraphError(Exception):
    """An invalid graph; the text continues a sentence that begins with the file."""

    def __init__(self, text: str, hint: str = _HINT) -> None:
        super().__init__(text)
        self.hint = hint


def _parse(path: Path) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = ModelProto.FromString(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise HooklineError(f"cannot read '{path}' ({error.strerror})", "give an ONNX file of a detector") from error
    except DecodeError as error:
        raise HooklineError(f"'{path}' is damaged or not an ONNX model", _HINT) from error
    if not model.graph.output:
        raise HooklineError(f"'{path}' is damaged or not an ONNX model (it has no outputs)", _HINT)
    return model


def _check_tensors(model: onnx.ModelProto) -> None:
    """Refuse external data, and tensors with more elements than data."""
    for tensor in all_tensors(model):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise _GraphError("has weights in other files", "save it as one file, without external data")
        if not _holds_its_elements(tensor):
            sides = shown(list(tensor.dims[:8]))
            raise _GraphError(f"is damaged: tensor '{tensor.name}' of shape {sides} has too little or too much data")


def _holds_its_elements(tensor: onnx.TensorProto) -> bool:
    """Return whether the size of the data matches the shape; for packed types, whether it can."""
    elements = _elements(tensor.dims)
    if elements is None or tensor.data_type not in helper.get_all_tensor_dtypes():
        return False
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if kind.kind == "O":
        found, wanted = len(tensor.string_data), elements
    elif helper.tensor_dtype_to_string(tensor.data_type).endswith(PACKED):
        return elements <= 4 * int(tensor.ByteSize())
    elif tensor.HasField("raw_data"):
        found, wanted = len(tensor.raw_data), elements * kind.itemsize
    else:
        found = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        wanted = elements * (1 + (kind.kind == "c"))
    return found == wanted


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield the initializers and constants of a model, including those of subgraphs and functions."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        node = nodes.pop()
        graphs.extend(subgraphs(node))
        for attribute in node.attribute:
            yield from (*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors)
            sparse_ones = (
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()),
                *attribute.sparse_tensors,
            )
            yield from (part for sparse in sparse_ones for part in (sparse.values, sparse.indices))


def _elements(dims: Sequence[int]) -> int | None:
    """Return the number of elements of a shape; None if a dimension is negative."""
    return None if any(side < 0 for side in dims) else math.prod(dims)


def _check_nodes(model: onnx.ModelProto) -> None:
    """Refuse a graph with too many nodes, with functions inlined at each call."""
    functions = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}
    total = _size(model.graph.node, functions, sizes, 0)
    if total > MAX_NODES:
        raise _GraphError(f"has {total:,} nodes, more than {MAX_NODES:,}", "give an export of a detector")


def _size(
    nodes: Iterable[onnx.NodeProto],
    functions: Mapping[tuple[str, str], onnx.FunctionProto],
    sizes: dict[tuple[str, str], int],
    depth: int,
) -> int:
    if depth > MAX_NESTING:
        raise _GraphError(
            f"has functions or subgraphs nested more than {MAX_NESTING} deep", "give an export of a detector"
        )
    total = 0
    for node in nodes:
        name = (node.domain, node.op_type)
        if name in functions and name not in sizes:
            sizes[name] = _size(functions[name].node, functions, sizes, depth + 1)
        if name not in functions and node.op_type in REPEATING:
            raise _GraphError(f"has the operator {node.op_type}, which may run forever", "give an export of a detector")
        total += sizes.get(name, 1)
        for graph in subgraphs(node):
            total += _size(graph.node, functions, sizes, depth + 1)
    return total


def _check_shapes(model: onnx.ModelProto) -> None:
    """Refuse a tensor with a known shape that is too large."""
    for value in _inferred(model):
        dims = value.type.tensor_type.shape.dim
        elements = _elements([dim.dim_value if dim.HasField("dim_value") else 1 for dim in dims])
        if elements is None or elements > MAX_ELEMENTS:
            sides = shown([dim.dim_value for dim in dims[:8]])
            raise _GraphError(
                f"has tensor '{value.name}' of shape {sides}, more than {MAX_ELEMENTS:,} elements",
                "export a smaller size or batch",
            )


def _inferred(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return all tensors of the graph with their inferred shapes."""
    graph = model.graph
    with suppress(shape_inference.InferenceError):  # a contradiction, which the runtime reports
        graph = shape_inference.infer_shapes(without_weights(model), data_prop=True).graph
    return [*graph.input, *graph.value_info, *graph.output]


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with large weights as inputs, because shapes do not depend on their values."""
    copy = type(model)(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    copy.graph.name = model.graph.name
    for field in ("node", "input", "output", "value_info"):
        getattr(copy.graph, field).extend(getattr(model.graph, field))
    given = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() < MAX_SHAPE_BYTES:
            copy.graph.initializer.append(tensor)
        elif tensor.name not in given:
            copy.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return copy
