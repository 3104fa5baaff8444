"""Tells from an ONNX file without a sidecar what it is: our own export, or the ecosystem's ``output0``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from core.artifacts import InputContract, Layout, ModelFacts, OnnxModel, Precision
from core.errors import HooklineError, counted, shown
from core.metadata import ModelMetadata, from_properties, parse_names, parse_stride
from core.onnx_file import read_onnx
from core.serial import DecodeError
from core.validation import validate

DEFAULT_SIZE = 640
"""Height and width to use where the file leaves them open."""

_WANTED = "give an export of a YOLOv5 checkpoint, or the checkpoint itself"
_INPUT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
Shape = tuple[int | str, ...]


def inspect_onnx(path: Path) -> OnnxModel:
    """Read facts, input contract and layout of an ONNX file.

    Raises:
        HooklineError: Not an ONNX file, not whole, not a YOLOv5 detector, or it does not say what it detects.
    """
    model = read_onnx(path)
    properties = {item.key: item.value for item in model.metadata_props}
    outputs = {item.name: _shape(item) for item in model.graph.output}
    if "DecodeDetectionBoxes" in outputs:
        raise HooklineError(
            f"'{path}' is a grafted model without its sidecar '{path.name}.json'", "keep the two files together"
        )
    ours = from_properties(properties)
    metadata = ours if ours and ours.layout is _layout(outputs) else _classic(path, model, properties, outputs)
    found = OnnxModel(
        path=path,
        facts=metadata.facts,
        contract=metadata.contract,
        layout=metadata.layout,
        precision=_precision(model),
    )
    try:
        validate(found)
    except DecodeError as error:
        raise HooklineError(f"'{path}' is not a usable detector ({error})", _WANTED) from error
    return found


def _layout(outputs: dict[str, Shape]) -> Layout:
    return Layout.classic if len(outputs) == 1 else Layout.heads


def _classic(path: Path, model: Any, properties: dict[str, str], outputs: dict[str, Shape]) -> ModelMetadata:
    """The ecosystem's single output [B, N, 5+nc]; its metadata say the largest stride and the names."""
    contract = _contract(path, model)
    if missing := [key for key in ("names", "stride") if key not in properties]:
        raise HooklineError(f"'{path}' lacks the metadata '{missing[0]}'", _WANTED)
    try:
        names, stride = parse_names(properties["names"]), parse_stride(properties["stride"])
    except DecodeError as error:
        raise HooklineError(f"'{path}' has unusable metadata ({error})", _WANTED) from error
    strides = tuple(8 << level for level in range(4) if 8 << level <= stride)
    shape = next(iter(outputs.values()))
    if len(outputs) != 1 or len(shape) != 3 or shape[2] != 5 + len(names) or not strides or strides[-1] != stride:
        classes = counted(len(names), "class")
        shapes = ", ".join(f"{name} {shown(list(value))}" for name, value in outputs.items())
        raise HooklineError(
            f"'{path}' is not a YOLOv5 detector of {classes} and stride {stride}: its outputs are {shapes}",
            f"expected one output [batch, boxes, {5 + len(names)}]; {_WANTED}",
        )
    rows = sum((contract.height // step) * (contract.width // step) for step in strides)
    if not rows or (isinstance(shape[1], int) and shape[1] % rows):
        raise HooklineError(f"'{path}' gives {shape[1]} boxes, not a multiple of its {rows} cells", _WANTED)
    facts = ModelFacts(family="", variant=path.stem, names=names, anchors=(), strides=strides)
    return ModelMetadata(facts, contract, Layout.classic)


def _contract(path: Path, model: Any) -> InputContract:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    shape = _shape(inputs[0]) if len(inputs) == 1 else ()
    kind = inputs[0].type.tensor_type.elem_type if len(inputs) == 1 else onnx.TensorProto.UNDEFINED
    if len(shape) != 4 or shape[1] != 3 or kind not in _INPUT_TYPES:
        raise HooklineError(
            f"'{path}' has no single input [batch, 3, height, width] of float32 or float16, but {_inputs(inputs)}",
            _WANTED,
        )
    batch, _, height, width = shape
    return InputContract(
        batch=batch if isinstance(batch, int) else 1,
        height=height if isinstance(height, int) else DEFAULT_SIZE,
        width=width if isinstance(width, int) else DEFAULT_SIZE,
        dynamic=tuple(
            axis for axis, size in (("batch", batch), ("height", height), ("width", width)) if not isinstance(size, int)
        ),
        name=inputs[0].name,
    )


def _inputs(inputs: list[Any]) -> str:
    """Return names, types and shapes of the inputs, for a message."""
    types = onnx.TensorProto.DataType
    found = []
    for item in inputs[:2]:
        kind = item.type.tensor_type.elem_type
        name = types.Name(kind) if kind in types.values() else str(kind)
        found.append(f"'{item.name}' {name} {shown(list(_shape(item)))}")
    return ", ".join(found) + (f" and {len(inputs) - 2} more" if len(inputs) > 2 else "") if inputs else "none"


def _shape(value: Any) -> Shape:
    """Sizes where they are fixed, else a text."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param for dim in dims)


def _precision(model: Any) -> Precision:
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return Precision.int8
    halves = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return Precision.fp16 if halves else Precision.fp32
