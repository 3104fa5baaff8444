"""Reads ONNX files of users: whole, in bounded time and memory, and without the other files that they may name.

A small file can describe unlimited work: tensors that claim more than the file holds, functions that call one another,
loops, shapes of any size. All of it is refused here, before ONNX Runtime, GraphSurgeon or NumPy read the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import HooklineError, one_line, shown
from core.files.onnx_order import sort_nodes, subgraphs
from core.files.regular_file import read_regular

if TYPE_CHECKING:
    import onnx

MAX_BYTES = (1 << 31) - 1
"""Bytes of a file: what protobuf reads."""
MAX_NODES = 50_000
"""Nodes of a graph, its subgraphs and its functions, counted as often as they are used; detectors have about 1,000."""
MAX_NESTING = 8
"""Functions that call functions; the decode of hookline is 1 deep."""
MAX_ELEMENTS = 1 << 31
"""Elements of a tensor whose shape is known before the run: 8 GiB of float32."""
REPEATING = frozenset({"Loop", "Scan", "SequenceMap"})
"""Operators that may run for ever. No export of a detector here has one."""
SMALL = 1024
"""Bytes of an initializer that can be a shape."""
PACKED = ("INT4", "INT2", "FLOAT4E2M1")
"""Ends of the names of types of which several elements lie in one byte."""
_HINT = "export it again"


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file within the limits of SECURITY.md; the nodes are in an order in which they can be computed.

    Args:
        path: The file.

    Raises:
        HooklineError: The file is missing, truncated, not an ONNX model, names other files, or exceeds a limit.
    """
    model = _parse(path)
    try:
        _check_tensors(model)
        _check_nodes(model)
        if stuck := sort_nodes(model.graph):
            raise _GraphError(f"cannot be computed: node '{stuck.name}' ({stuck.op_type}) needs its own result")
        _check_shapes(model)
    except _GraphError as error:
        raise HooklineError(f"'{path}' {error}", error.hint) from error
    return model


def check_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Refuse a graph that is not valid by the ONNX standard.

    Raises:
        HooklineError: Repeats what the checker of ONNX says.
    """
    from onnx import checker

    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise HooklineError(f"'{path}' is not a valid ONNX model ({one_line(str(error))})", _HINT) from error


def infer_shapes(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return the model with the types and shapes of its inner tensors, as far as they follow from the graph.

    Raises:
        HooklineError: The graph contradicts itself.
    """
    from onnx import shape_inference

    try:
        return shape_inference.infer_shapes(model)
    except shape_inference.InferenceError as error:
        raise HooklineError(f"'{path}' contradicts itself ({one_line(str(error))})", _HINT) from error


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that a caller gives; before IR version 4, weights are listed as inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [item for item in model.graph.input if item.name not in weights]


class _GraphError(Exception):
    """What is wrong with a graph; the text continues a sentence that begins with the file."""

    def __init__(self, text: str, hint: str = _HINT) -> None:
        super().__init__(text)
        self.hint = hint


def _parse(path: Path) -> onnx.ModelProto:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import ModelProto

    try:
        model: onnx.ModelProto = ModelProto.FromString(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise HooklineError(f"cannot read '{path}' ({error.strerror})", "give an ONNX file of a detector") from error
    except DecodeError as error:
        raise HooklineError(f"'{path}' is damaged or no ONNX model", _HINT) from error
    if not model.graph.output:
        raise HooklineError(f"'{path}' is damaged or no ONNX model (it has no outputs)", _HINT)
    return model


def _check_tensors(model: onnx.ModelProto) -> None:
    """Refuse weights that lie in other files, and those that claim more than the file holds."""
    for tensor in all_tensors(model):
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise _GraphError("keeps its weights in other files", "save it as one file")
        if not _holds_its_elements(tensor):
            sides = shown(list(tensor.dims[:8]))
            raise _GraphError(f"is damaged: tensor '{tensor.name}' of shape {sides} has too little or too much data")


def _holds_its_elements(tensor: onnx.TensorProto) -> bool:
    """Return whether the data are as many as the shape says, for types that take whole bytes."""
    from onnx import helper

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
    """Yield the initializers and the constants of a model, those of its subgraphs and functions too."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from (*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors)
            sparse_ones = (
                *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()),
                *attribute.sparse_tensors,
            )
            yield from (part for sparse in sparse_ones for part in (sparse.values, sparse.indices))
            graphs.extend((*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs))


def _elements(dims: Sequence[int]) -> int | None:
    """Return the number of elements of a shape, None where a side is negative."""
    return None if any(side < 0 for side in dims) else math.prod(dims)


def _check_nodes(model: onnx.ModelProto) -> None:
    """Count the nodes as if every function were written out where it is called."""
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
            raise _GraphError(
                f"has the operator {node.op_type}, which may repeat without end", "give an export of a detector"
            )
        total += sizes.get(name, 1)
        for graph in subgraphs(node):
            total += _size(graph.node, functions, sizes, depth + 1)
    return total


def _check_shapes(model: onnx.ModelProto) -> None:
    """Refuse a tensor that is known to be too large before anything is computed."""
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
    """Return all tensors of the graph with what ONNX knows of their shapes."""
    from onnx import shape_inference

    graph = model.graph
    with suppress(shape_inference.InferenceError):  # a contradiction, which the runtime reports
        graph = shape_inference.infer_shapes(without_weights(model), data_prop=True).graph
    return [*graph.input, *graph.value_info, *graph.output]


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which large weights are inputs: shapes do not depend on their values."""
    from onnx import helper

    copy = type(model)(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    copy.graph.name = model.graph.name
    for field in ("node", "input", "output", "value_info"):
        getattr(copy.graph, field).extend(getattr(model.graph, field))
    given = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() < SMALL:
            copy.graph.initializer.append(tensor)
        elif tensor.name not in given:
            copy.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return copy
