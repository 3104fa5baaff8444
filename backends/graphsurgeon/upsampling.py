"""Nearest upsampling of integers by copying."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from backends.graphsurgeon.pointwise import TO_NCHW, TO_NHWC, transpose
from backends.graphsurgeon.topology import made_by

DOUBLING = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""With these a Resize to twice the size repeats every pixel, in both directions."""


def copy_pixels(graph: gs.Graph) -> None:
    """Write every Resize of integers to twice their height and width as Concat and Reshape.

    It is exact. Sizes must be known: a Resize of dynamic shape stays.
    """
    for node in [item for item in graph.nodes if _doubles_integers(item)]:
        _replace(graph, node)


def _doubles_integers(node: gs.Node) -> bool:
    """DQ -> Resize -> Q with one scale, [N, C, H, W] -> [N, C, 2H, 2W]."""
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


def _replace(graph: gs.Graph, resize: gs.Node) -> None:
    batch, channels, height, width = resize.inputs[0].shape
    integers = resize.inputs[0].inputs[0].inputs[0]
    quantise = resize.outputs[0].outputs[0]
    result = quantise.outputs[0]
    quantise.outputs.clear()
    # In NHWC a pixel is one run of bytes, and a row is: pixel after pixel, then row after row is written twice.
    pixels = transpose(graph, f"{resize.name}/ToNhwc", integers, TO_NHWC)
    row = width * 2 * channels
    wide = _twice_along(graph, f"{resize.name}/Columns", pixels, 3, [batch, height, row])
    tall = _twice_along(graph, f"{resize.name}/Rows", wide, 2, [batch, 2 * height, 2 * width, channels])
    transpose(graph, f"{resize.name}/ToNchw", tall, TO_NCHW, result)


def _twice_along(graph: gs.Graph, name: str, source: gs.Variable, axis: int, shape: list[int]) -> gs.Variable:
    """``source`` beside itself along its last axis, read as ``shape``."""
    size = [*source.shape[:axis], 2 * source.shape[axis]]
    pair = gs.Variable(f"{name}_pair", source.dtype, size)
    result = gs.Variable(f"{name}_output", source.dtype, shape)
    sizes = gs.Constant(f"{name}_shape", np.array(shape, np.int64))
    graph.layer(op="Concat", name=f"{name}/Concat", inputs=[source, source], outputs=[pair], attrs={"axis": axis})
    graph.layer(op="Reshape", name=f"{name}/Reshape", inputs=[pair, sizes], outputs=[result])
    return result
