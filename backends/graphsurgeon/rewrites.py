"""Rewrite a graph so that it runs faster in int8, with the same results."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from backends.graphsurgeon.topology import find_silus, is_pointwise, made_by

CONTRIB = "com.microsoft"
SILU = "QuickGelu"
"""The fused node of ONNX Runtime for x * sigmoid(x)."""
TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)
DOUBLING = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""Attributes of a Resize that repeats every pixel in both directions if it doubles the size."""


def fuse_silus(graph: gs.Graph) -> None:
    """Replace every x * sigmoid(x) by one node."""
    for silu in find_silus(graph):
        source, result = silu.source, silu.result
        for node in (silu.sigmoid, silu.multiply):
            node.inputs.clear()
            node.outputs.clear()
        graph.layer(
            op=SILU,
            name=silu.multiply.name,
            domain=CONTRIB,
            inputs=[source],
            outputs=[result],
            attrs={"alpha": 1.0},
        )


def quantise_channels_last(graph: gs.Graph) -> None:
    """Move fused SiLUs and their Qs to NHWC if their input is in NHWC, and Qs after float convolutions.

    The values do not change. A Q after a float convolution is moved only if its shape is static.
    """
    for silu in [node for node in graph.nodes if node.op == SILU]:
        if _comes_from_nhwc(silu):
            _move_silu(graph, silu)
        elif _follows_float_conv(silu) and _size_known(silu.outputs[0]):
            for quantise in _quantisers(silu.outputs[0]):
                _transpose_floats(graph, quantise)


def _comes_from_nhwc(silu: gs.Node) -> bool:
    source = silu.inputs[0]
    return made_by(source, "Transpose") and source.inputs[0].attrs["perm"] == list(TO_NCHW) and len(source.outputs) == 1


def _follows_float_conv(silu: gs.Node) -> bool:
    source = silu.inputs[0]
    return made_by(source, "Conv") and not made_by(source.inputs[0].inputs[0], "DequantizeLinear")


def _size_known(tensor: gs.Variable) -> bool:
    return tensor.shape is not None and all(isinstance(size, int) for size in tensor.shape)


def _quantisers(tensor: gs.Variable) -> list[gs.Node]:
    return [node for node in tensor.outputs if node.op == "QuantizeLinear"]


def _move_silu(graph: gs.Graph, silu: gs.Node) -> None:
    """Rewrite NHWC -> NCHW -> SiLU as NHWC -> SiLU, with Qs in NHWC; consumers of floats get them in NCHW."""
    result = silu.outputs[0]
    moved = gs.Variable(f"{result.name}_nhwc", result.dtype, permuted(result.shape, TO_NHWC))
    silu.inputs[0] = silu.inputs[0].inputs[0].inputs[0]
    silu.outputs[0] = moved
    for quantise in _quantisers(result):
        integers = quantise.outputs[0]
        pixels = gs.Variable(f"{integers.name}_nhwc", integers.dtype, moved.shape)
        quantise.inputs[0], quantise.outputs[0] = moved, pixels
        transpose(graph, f"{quantise.name}/ToNchw", pixels, TO_NCHW, integers)
    if result.outputs:
        transpose(graph, f"{silu.name}/ToNchw", moved, TO_NCHW, result)


def _transpose_floats(graph: gs.Graph, quantise: gs.Node) -> None:
    """Rewrite Q as NHWC -> Flatten -> Q -> Reshape -> NCHW: ONNX Runtime does not move a Q across a Flatten."""
    integers = quantise.outputs[0]
    batch, channels, height, width = quantise.inputs[0].shape
    shape, rows = [batch, height, width, channels], [batch * height * width, channels]
    floats = transpose(graph, f"{quantise.name}/ToNhwc", quantise.inputs[0], TO_NHWC)
    flat = gs.Variable(f"{floats.name}_rows", np.float32, rows)
    flat_integers = gs.Variable(f"{integers.name}_rows", integers.dtype, rows)
    pixels = gs.Variable(f"{integers.name}_nhwc", integers.dtype, shape)
    size = gs.Constant(f"{integers.name}_shape", np.array(shape, np.int64))
    graph.layer(op="Flatten", name=f"{quantise.name}/Rows", inputs=[floats], outputs=[flat], attrs={"axis": 3})
    quantise.inputs[0], quantise.outputs[0] = flat, flat_integers
    graph.layer(op="Reshape", name=f"{quantise.name}/Pixels", inputs=[flat_integers, size], outputs=[pixels])
    transpose(graph, f"{quantise.name}/ToNchw", pixels, TO_NCHW, integers)


def multiply_pointwise(graph: gs.Graph) -> None:
    """Replace every 1x1 Conv of dequantised data and weights by ``MatMulIntegerToFloat`` over [N, H, W, C].

    The output is float as before: scales and bias are applied when the integer sums are written. Transposes on both
    sides keep NCHW for other nodes; the runtime removes adjacent ones.
    """
    for node in [item for item in graph.nodes if _multiplies_integers(item)]:
        _multiply(graph, node)


def _multiplies_integers(node: gs.Node) -> bool:
    return is_pointwise(node) and all(made_by(tensor, "DequantizeLinear") for tensor in node.inputs[:2])


def _multiply(graph: gs.Graph, conv: gs.Node) -> None:
    data, data_scale, data_zero = conv.inputs[0].inputs[0].inputs
    weight, weight_scale, weight_zero = conv.inputs[1].inputs[0].inputs
    result = conv.outputs[0]
    matrix = gs.Constant(f"{weight.name}_matrix", np.ascontiguousarray(weight.values[:, :, 0, 0].T))
    product = gs.Variable(f"{result.name}_nhwc", np.float32, permuted(result.shape, TO_NHWC))
    operands = [
        transpose(graph, f"{conv.name}/ToNhwc", data, TO_NHWC),
        *(matrix, data_scale, weight_scale, data_zero, weight_zero),
        *conv.inputs[2:],
    ]
    conv.outputs.clear()
    graph.layer(op="MatMulIntegerToFloat", domain=CONTRIB, name=conv.name, inputs=operands, outputs=[product])
    transpose(graph, f"{conv.name}/ToNchw", product, TO_NCHW, result)


def transpose(
    graph: gs.Graph, name: str, source: gs.Variable, order: tuple[int, ...], result: gs.Variable | None = None
) -> gs.Variable:
    """Append a Transpose and return its output: ``result``, or a new tensor."""
    result = result or gs.Variable(f"{name}_output", source.dtype, permuted(source.shape, order))
    graph.layer(op="Transpose", name=name, inputs=[source], outputs=[result], attrs={"perm": list(order)})
    return result


def permuted(shape: list[int | str] | None, order: tuple[int, ...]) -> list[int | str] | None:
    """Return ``shape`` in another order; None if it is unknown."""
    return [shape[axis] for axis in order] if shape else None


def copy_pixels(graph: gs.Graph) -> None:
    """Replace every Resize of integers to twice their height and width by Concat and Reshape.

    The result is exact. Only static shapes are rewritten.
    """
    for node in [item for item in graph.nodes if _doubles_integers(item)]:
        _copy(graph, node)


def _doubles_integers(node: gs.Node) -> bool:
    """Return whether a node is DQ -> Resize -> Q with one scale, [N, C, H, W] -> [N, C, 2H, 2W]."""
    if node.op != "Resize" or any(node.attrs.get(name) != value for name, value in DOUBLING.items()):
        return False
    source, result = node.inputs[0], node.outputs[0]
    followers = result.outputs
    if not made_by(source, "DequantizeLinear") or [item.op for item in followers] != ["QuantizeLinear"]:
        return False
    grids = (source.inputs[0].inputs[1:], followers[0].inputs[1:])
    if any(not np.array_equal(one.values, other.values) for one, other in zip(*grids, strict=True)):
        return False
    shape = source.shape or []
    return len(shape) == 4 and all(isinstance(item, int) for item in shape) and _twice(shape) == result.shape


def _twice(shape: list[int]) -> list[int]:
    batch, channels, height, width = shape
    return [batch, channels, 2 * height, 2 * width]


def _copy(graph: gs.Graph, resize: gs.Node) -> None:
    batch, channels, height, width = resize.inputs[0].shape
    integers = resize.inputs[0].inputs[0].inputs[0]
    quantise = resize.outputs[0].outputs[0]
    result = quantise.outputs[0]
    quantise.outputs.clear()
    # In NHWC a pixel is contiguous, and so is a row: write each pixel twice, then each row twice.
    pixels = transpose(graph, f"{resize.name}/ToNhwc", integers, TO_NHWC)
    row = width * 2 * channels
    wide = _twice_along(graph, f"{resize.name}/Columns", pixels, 3, [batch, height, row])
    tall = _twice_along(graph, f"{resize.name}/Rows", wide, 2, [batch, 2 * height, 2 * width, channels])
    transpose(graph, f"{resize.name}/ToNchw", tall, TO_NCHW, result)


def _twice_along(graph: gs.Graph, name: str, source: gs.Variable, axis: int, shape: list[int]) -> gs.Variable:
    """Concatenate ``source`` with itself along ``axis``, and reshape to ``shape``."""
    size = [*source.shape[:axis], 2 * source.shape[axis]]
    pair = gs.Variable(f"{name}_pair", source.dtype, size)
    result = gs.Variable(f"{name}_output", source.dtype, shape)
    sizes = gs.Constant(f"{name}_shape", np.array(shape, np.int64))
    graph.layer(op="Concat", name=f"{name}/Concat", inputs=[source, source], outputs=[pair], attrs={"axis": axis})
    graph.layer(op="Reshape", name=f"{name}/Reshape", inputs=[pair, sizes], outputs=[result])
    return result
