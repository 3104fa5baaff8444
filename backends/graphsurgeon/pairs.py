"""Insert Q/DQ pairs, and convert the rest of the graph to float16."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter
from onnxruntime.transformers.float16 import convert_float_to_float16

from backends.graphsurgeon.topology import export_like, import_copy
from backends.graphsurgeon.yolo_layer import default_opset
from core.calibration import TensorRange
from core.errors import HooklineError

FLOAT16_MAX = float(np.finfo(np.float16).max)
QDQ_OPSET = 19
"""The first opset in which QuantizeLinear and DequantizeLinear support float16."""


def convert_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of ``model`` that computes in float16; its inputs and outputs stay float32.

    Raises:
        HooklineError: A weight exceeds the range of float16.
    """
    _check_weights(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    logging.getLogger("onnxruntime.transformers.float16").setLevel(logging.ERROR)
    # The converter's default block list keeps operators in float32 that YOLOv5 does not have, or that every runtime
    # supports in float16.
    half = convert_float_to_float16(copy, keep_io_types=True, op_block_list=[])
    # The converter appends its casts to the list of nodes: sort it.
    return export_like(import_copy(half), model)


def convert_rest_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a model with Q/DQ pairs to float16; its scales must be exact in float16."""
    if default_opset(model) >= QDQ_OPSET:
        return convert_to_half(model)
    return convert_to_half(version_converter.convert_version(model, QDQ_OPSET))


def _check_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not np.prod(tensor.dims):
            continue
        largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
        if not largest <= FLOAT16_MAX:
            raise HooklineError(
                f"weight '{tensor.name}' reaches {largest:g}, above the float16 maximum {FLOAT16_MAX:g}",
                "set precision=fp32",
            )


SMALLEST_SCALE = 1e-8
"""The scale of tensors and channels that are all zero: a scale must be positive."""
BIAS_LIMIT = 2.0**30
"""Maximum magnitude of an int32 bias, so that the sum it is added to does not overflow."""

Scales = NDArray[np.float32]


def symmetric_scale(found: TensorRange, *, half: bool = False) -> tuple[np.float32, NDArray[np.int8]]:
    """Return scale amax / 127 and zero point 0 for int8 activations; ``half``: see :func:`half_scales`."""
    scale = np.array([max(found.amax / 127.0, SMALLEST_SCALE)], np.float32)
    return np.float32((half_scales(scale) if half else scale)[0]), np.array(0, np.int8)


def half_scales(scales: Scales) -> Scales:
    """Round scales up to float16, so that quantised values need no conversion."""
    near = scales.astype(np.float16)
    next_ones = np.where(near < scales, np.nextafter(near, np.float16(np.inf)), near)
    result: Scales = next_ones.astype(np.float32)
    return result


def asymmetric_scale(found: TensorRange) -> tuple[np.float32, NDArray[np.uint8]]:
    """Return the scale and zero point that map [low, high], extended to contain 0, to uint8."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    scale = np.float32(max((high - low) / 255.0, SMALLEST_SCALE))
    return scale, np.array(np.clip(round(-low / float(scale)), 0, 255), np.uint8)


def add_activation_pair(
    graph: gs.Graph, tensor: gs.Variable, scale: np.float32, zero_point: NDArray[np.number]
) -> gs.Variable:
    """Append Q and DQ after ``tensor``; return the output of DQ."""
    name = tensor.name
    scaling = [gs.Constant(f"{name}_scale", np.array(scale)), gs.Constant(f"{name}_zero_point", zero_point)]
    integers = gs.Variable(f"{name}_quantized", zero_point.dtype, tensor.shape)
    floats = gs.Variable(f"{name}_dequantized", np.float32, tensor.shape)
    graph.layer(op="QuantizeLinear", name=f"{name}_QuantizeLinear", inputs=[tensor, *scaling], outputs=[integers])
    graph.layer(op="DequantizeLinear", name=f"{name}_DequantizeLinear", inputs=[integers, *scaling], outputs=[floats])
    return floats


def add_constant_pair(graph: gs.Graph, name: str, values: NDArray[np.integer], scales: Scales) -> gs.Variable:
    """Append a DQ of integers, with one scale per slice along axis 0 or a single one; return its output."""
    inputs = [
        gs.Constant(f"{name}_quantized", values),
        gs.Constant(f"{name}_scale", scales),
        gs.Constant(f"{name}_zero_point", np.zeros(scales.shape, values.dtype)),
    ]
    floats = gs.Variable(f"{name}_dequantized", np.float32, values.shape)
    attrs = {"axis": 0} if scales.ndim else {}
    graph.layer(op="DequantizeLinear", name=f"{name}_DequantizeLinear", inputs=inputs, outputs=[floats], attrs=attrs)
    return floats


def weight_scales(weight: Scales, bias: Scales | None, input_scale: float) -> Scales:
    """Return one scale per output channel: max |w| / 127, or larger if an int32 bias would not fit.

    Args:
        weight: [O, I, kh, kw].
        bias: [O]; None if the bias stays float.
        input_scale: Scale of the activations that the weight multiplies.
    """
    scales = np.maximum(np.abs(weight).reshape(len(weight), -1).max(axis=1) / 127.0, SMALLEST_SCALE)
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias) / (np.float64(input_scale) * BIAS_LIMIT))
    result: Scales = scales.astype(np.float32)
    return result


def quantise(
    values: Scales, scales: NDArray[np.floating], dtype: type[np.integer], limit: float
) -> NDArray[np.integer]:
    """Round ``values`` / ``scales`` (along axis 0) half to even, and clip to [-limit, limit]."""
    steps = values / scales.reshape(-1, *[1] * (values.ndim - 1))
    result: NDArray[np.integer] = np.clip(np.round(steps), -limit, limit).astype(dtype)
    return result


def constant_of(node: gs.Node, index: int, what: str) -> gs.Constant:
    """Return input ``index`` of ``node``.

    Raises:
        HooklineError: The graph computes it, or it contains NaN or infinity.
    """
    tensor = node.inputs[index]
    if not isinstance(tensor, gs.Constant):
        raise HooklineError(f"the {what} of '{node.name}' is computed by the graph", "set export.simplify=true")
    if not np.isfinite(tensor.values).all():
        raise HooklineError(
            f"the {what} of '{node.name}' contains NaN or infinite values",
            "the weights are damaged: download or train them again",
        )
    return tensor
