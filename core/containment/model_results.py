"""Check the ONNX models that parts write before they enter the store; a fault names the plugin of the part."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

from core.artifacts import OnnxModel
from core.containment.calls import Fault
from core.errors import HooklineError, shown
from core.files.onnx_file import all_tensors, check_onnx, graph_inputs, read_onnx
from core.model_facts import Precision

_EVIDENCE = {
    Precision.fp32: "float32 tensors",
    Precision.fp16: "float16 tensors",
    Precision.int8: "Q/DQ pairs and int8 tensors",
}
_QUANTISING = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})


def check_written(target: Path) -> None:
    """Refuse a target that is not a regular file.

    Raises:
        Fault: The target is missing, a link or a folder.
    """
    try:
        regular = stat.S_ISREG(target.lstat().st_mode)
    except FileNotFoundError:
        raise Fault(f"did not write '{target.name}'") from None
    if not regular:
        raise Fault(f"must write '{target.name}' as a regular file, not as a link or a folder")


def read_written(target: Path, *, standard: bool = False) -> onnx.ModelProto:
    """Return the ONNX model that a part wrote.

    Args:
        target: The file.
        standard: Refuse operators outside the ONNX standard.

    Raises:
        Fault: The file is missing or not a valid model.
    """
    check_written(target)
    try:
        model = read_onnx(target)
        if standard:
            check_onnx(model, target)
    except HooklineError as problem:
        raise Fault(f"wrote an unusable file: {problem.message.replace(str(target), target.name)}") from problem
    return model


def check_model(target: Path, source: OnnxModel, precision: Precision) -> None:
    """Refuse a quantized model that differs from its source in more than the precision.

    Args:
        target: The file that a quantizer wrote.
        source: The model that it quantized.
        precision: The requested precision.

    Raises:
        Fault: The file is missing or not valid, has other inputs, outputs or metadata, or no tensor of the precision.
    """
    made, previous = read_written(target, standard=True), read_onnx(source.path)
    _check_values("inputs", graph_inputs(made), graph_inputs(previous))
    _check_values("outputs", made.graph.output, previous.graph.output)
    _check_metadata(made, previous)
    if source.precision is not precision and _count(made, precision) <= _count(previous, precision):
        raise Fault(f"must give precision={precision.value}, but wrote a model without {_EVIDENCE[precision]}")


def _check_values(what: str, made: Sequence[onnx.ValueInfoProto], previous: Sequence[onnx.ValueInfoProto]) -> None:
    if len(made) != len(previous) or not all(map(_fits, made, previous)):
        wanted, found = (shown([_described(item) for item in items]) for items in (previous, made))
        raise Fault(f"must keep the {what} {wanted}, but wrote {found}")


def _fits(made: onnx.ValueInfoProto, previous: onnx.ValueInfoProto) -> bool:
    """Return whether name, type and shape are equal; a dynamic axis equals any axis."""
    one, other = made.type.tensor_type, previous.type.tensor_type
    if (made.name, one.elem_type) != (previous.name, other.elem_type):
        return False
    if not (one.HasField("shape") and other.HasField("shape")):
        return True
    sides = [[dim.dim_value for dim in kind.shape.dim] for kind in (one, other)]  # 0: a dynamic axis
    return len(sides[0]) == len(sides[1]) and all(0 in pair or len(set(pair)) == 1 for pair in zip(*sides, strict=True))


def _described(value: onnx.ValueInfoProto) -> str:
    kind, types = value.type.tensor_type, TensorProto.DataType
    sizes = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in kind.shape.dim)
    name = types.Name(kind.elem_type) if kind.elem_type in types.values() else str(kind.elem_type)
    return f"{value.name} {name} [{sizes}]"


def _check_metadata(made: onnx.ModelProto, previous: onnx.ModelProto) -> None:
    found = {item.key: item.value for item in made.metadata_props}
    for item in previous.metadata_props:
        if found.get(item.key) != item.value:
            how = "changed" if item.key in found else "dropped"
            raise Fault(f"must keep the metadata of the model, but {how} '{item.key}'")


def _count(model: onnx.ModelProto, precision: Precision) -> int:
    """Return the number of tensors of a precision; for int8, plus the number of nodes that quantize."""
    types = {
        Precision.fp32: {TensorProto.FLOAT},
        Precision.fp16: {TensorProto.FLOAT16},
        Precision.int8: {TensorProto.INT8, TensorProto.UINT8},
    }[precision]
    tensors = sum(tensor.data_type in types for tensor in all_tensors(model))
    quantising = sum(node.op_type in _QUANTISING for node in model.graph.node)
    return tensors + quantising if precision is Precision.int8 else tensors
