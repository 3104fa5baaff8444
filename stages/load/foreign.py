"""Recognition of ONNX files without a sidecar: exports of hookline, or of other tools for a known model family."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import onnx

from core.artifacts import OnnxModel
from core.containment.calls import Fault
from core.containment.failures import faults_of
from core.errors import HooklineError, shown
from core.files.onnx_file import graph_inputs, read_onnx, without_weights
from core.kinds.head import BOXES, Shape
from core.kinds.lookup import Parts
from core.kinds.model import ModelFamily, head_of
from core.model_facts import DECODED, InputContract, Precision
from core.storage.metadata import ModelMetadata, OnnxSignature, from_properties
from core.storage.serial import DecodeError
from core.storage.validation import validate

DEFAULT_SIZE = 640
"""Height and width for a file where they are dynamic, pixels."""

_WANTED = "give the checkpoint that it was exported from, or an export of this program"
_INPUT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def inspect_onnx(path: Path, registry: Parts) -> OnnxModel:
    """Return facts, input contract and layout of an ONNX file.

    Raises:
        HooklineError: The file is not ONNX or damaged, or no model family recognises its outputs.
    """
    model = read_onnx(path)
    properties = {item.key: item.value for item in model.metadata_props}
    outputs = {item.name: _shape(item) for item in model.graph.output}
    if BOXES in outputs:
        raise HooklineError(
            f"'{path}' is a grafted model without its sidecar '{path.name}.json'", "keep the two files together"
        )
    ours = from_properties(properties)
    if ours is None or not _gives(outputs, ours, registry):
        contract = _contract(path, model)
        outputs |= _sized(model, contract, outputs)
        ours = _recognised(path, OnnxSignature(path.stem, contract, outputs, properties), registry)
    found = OnnxModel(
        path=path, facts=ours.facts, contract=ours.contract, layout=ours.layout, precision=_precision(model)
    )
    try:
        validate(found)
    except DecodeError as error:
        raise HooklineError(f"'{path}' is not a usable detector ({error})", _WANTED) from error
    return found


def _gives(outputs: dict[str, Shape], metadata: ModelMetadata, registry: Parts) -> bool:
    """Return whether the file has the outputs in its metadata; other tools may change outputs but keep metadata."""
    if metadata.layout == DECODED:
        return False
    wanted = head_of(metadata.facts, metadata.layout, registry).outputs(metadata.contract)
    return list(outputs) == list(wanted) or len(outputs) == len(wanted) == 1


def _recognised(path: Path, signature: OnnxSignature, registry: Parts) -> ModelMetadata:
    """Return the metadata from the only model family that recognises the file.

    Raises:
        HooklineError: No family or more than one recognises it.
    """
    found: dict[str, ModelMetadata] = {}
    problems: list[HooklineError] = []
    for name, family in registry.all(ModelFamily).items():
        try:
            metadata = family.recognise(_offered(signature, family))
            with faults_of("models", name, registry):
                _check_own(metadata, family)
        except HooklineError as problem:
            problems.append(problem)
        else:
            if metadata is not None:
                found[name] = metadata
    if len(found) > 1:
        raise HooklineError(
            f"several model families recognise '{path}': {', '.join(found)}",
            f"disable the plugins of all but one with plugins.disable=[<name>], or {_WANTED}",
        )
    for metadata in found.values():
        head_of(metadata.facts, metadata.layout, registry)
        return metadata
    if len(problems) == 1:
        raise problems[0]
    shapes = ", ".join(f"{name} {shown(list(shape))}" for name, shape in signature.outputs.items())
    families = ", ".join(registry.all(ModelFamily)) or "none"
    raise HooklineError(
        f"no model family recognises '{path}' by its outputs {shapes} (families: {families})",
        "; ".join(["give an export of one of them", *(problem.message for problem in problems), _WANTED]),
    )


def _offered(signature: OnnxSignature, family: ModelFamily) -> OnnxSignature:
    """Return the signature with the preprocessing of the family in its contract: the file does not state it."""
    sizes = signature.contract
    contract = family.preprocessing.contract(
        batch=sizes.batch, height=sizes.height, width=sizes.width, dynamic=sizes.dynamic, name=sizes.name
    )
    return replace(signature, contract=contract)


def _check_own(metadata: ModelMetadata | None, family: ModelFamily) -> None:
    """Check that a family returned metadata with its own name and one of its layouts.

    Raises:
        Fault: It did not.
    """
    if metadata is None:
        return
    if metadata.facts.family != family.name:
        raise Fault(f"recognise must return the family '{family.name}', not {shown(metadata.facts.family)}")
    if metadata.layout not in family.layouts:
        raise Fault(f"recognise must return one of the layouts {shown(family.layouts)}, not {shown(metadata.layout)}")


def _contract(path: Path, model: onnx.ModelProto) -> InputContract:
    inputs = graph_inputs(model)
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


def _sized(model: onnx.ModelProto, contract: InputContract, outputs: Mapping[str, Shape]) -> Mapping[str, Shape]:
    """Return the output shapes that ONNX infers for the size of ``contract``; the batch stays dynamic."""
    if all(isinstance(side, int) for shape in outputs.values() for side in shape[1:]):
        return outputs
    sized = without_weights(model)
    image = next(item for item in sized.graph.input if item.name == contract.name)
    sides = (contract.batch, 3, contract.height, contract.width)
    for dim, side in zip(image.type.tensor_type.shape.dim, sides, strict=True):
        dim.dim_value = side
    for item in (*sized.graph.value_info, *sized.graph.output):
        item.type.tensor_type.ClearField("shape")  # written for any size
    with suppress(onnx.shape_inference.InferenceError):  # an inconsistent graph: the runtime reports it
        sized = onnx.shape_inference.infer_shapes(sized, data_prop=True)
    found = {item.name: _shape(item) for item in sized.graph.output}
    return {name: _merged(shape, found[name]) for name, shape in outputs.items()}


def _merged(stated: Shape, found: Shape) -> Shape:
    """Return the stated shape with inferred sizes for its dynamic axes, except the batch."""
    if len(stated) != len(found):
        return stated
    sides = (one if isinstance(one, int) else other for one, other in zip(stated[1:], found[1:], strict=True))
    return (*stated[:1], *sides)


def _inputs(inputs: list[onnx.ValueInfoProto]) -> str:
    """Describe names, types and shapes of the inputs for a message."""
    types = onnx.TensorProto.DataType
    found = []
    for item in inputs[:2]:
        kind = item.type.tensor_type.elem_type
        name = types.Name(kind) if kind in types.values() else str(kind)
        found.append(f"'{item.name}' {name} {shown(list(_shape(item)))}")
    return ", ".join(found) + (f" and {len(inputs) - 2} more" if len(inputs) > 2 else "") if inputs else "none"


def _shape(value: onnx.ValueInfoProto) -> Shape:
    """Return the shape: an int for a static axis, a string for a dynamic one."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param for dim in dims)


def _precision(model: onnx.ModelProto) -> Precision:
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return Precision.int8
    halves = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return Precision.fp16 if halves else Precision.fp32
