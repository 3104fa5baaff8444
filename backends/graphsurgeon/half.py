"""float16 inside, float32 at the input and the outputs."""

from __future__ import annotations

import logging

import numpy as np
import onnx
from onnx import numpy_helper, version_converter
from onnxruntime.transformers.float16 import convert_float_to_float16

from backends.graphsurgeon.exporting import export_like, import_copy
from backends.graphsurgeon.heads import default_opset
from core.errors import HooklineError

MOST = float(np.finfo(np.float16).max)
QDQ_OPSET = 19
"""From here on QuantizeLinear and DequantizeLinear know float16."""


def convert_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` that computes in float16; its inputs and outputs stay float32.

    Raises:
        HooklineError: A weight is beyond what float16 can hold.
    """
    _check_weights(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    logging.getLogger("onnxruntime.transformers.float16").setLevel(logging.ERROR)
    # Without a block list the converter keeps operators in float32 that YOLOv5 does not have, or that
    # every runtime can compute in float16.
    half = convert_float_to_float16(copy, keep_io_types=True, op_block_list=[])
    # The converter leaves its casts at the end of the list of nodes.
    return export_like(import_copy(half), model)


def convert_rest_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """As :func:`convert_to_half` for a model with Q/DQ pairs, whose scales must be numbers of float16 already."""
    if default_opset(model) >= QDQ_OPSET:
        return convert_to_half(model)
    return convert_to_half(version_converter.convert_version(model, QDQ_OPSET))


def _check_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not np.prod(tensor.dims):
            continue
        largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
        if not largest <= MOST:
            raise HooklineError(f"weight '{tensor.name}' reaches {largest:g}, float16 ends at {MOST:g}", "use fp32")
