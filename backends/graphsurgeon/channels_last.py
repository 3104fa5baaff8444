"""Quantise where the values lie in NHWC, so that no integers are transposed.

A runtime with integer kernels in NHWC transposes uint8 [N, C, H, W]. With few channels several threads then
write into one cache line: on two cores ONNX Runtime took six times as long for it as on one.
"""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from backends.graphsurgeon.pointwise import TO_NCHW, TO_NHWC, permuted, transpose
from backends.graphsurgeon.topology import made_by

SILU = "QuickGelu"


def quantise_channels_last(graph: gs.Graph) -> None:
    """Move every fused SiLU and its Q to NHWC where it comes from there, and every Q behind a float convolution.

    The values stay the same. Of a float convolution the size must be known: with a dynamic one its Q stays.
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
    """NHWC -> NCHW -> SiLU -> ... as NHWC -> SiLU, from where each Q reads; who wants floats gets them in NCHW."""
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
    """Q -> ... as NHWC -> Flatten -> Q -> Reshape -> NCHW -> ...: ONNX Runtime moves no Q back across a Flatten."""
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
