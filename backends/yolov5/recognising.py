"""ONNX files of other exporters of YOLOv5: one output, ``names`` and ``stride`` in the metadata."""

from __future__ import annotations

from backends.yolov5.anchors import CLASSIC
from core.artifacts import ModelFacts
from core.errors import HooklineError, counted, shown
from core.metadata import ModelMetadata, OnnxSignature, parse_names, parse_stride
from core.serial import DecodeError

LEVELS = (8, 16, 32, 64)
_WANTED = "give an export of a YOLOv5 checkpoint, or the checkpoint itself"


def recognise(signature: OnnxSignature) -> ModelMetadata | None:
    """Return the facts of a model with the single output [B, N, 5+nc]; None for one with other outputs.

    Raises:
        HooklineError: It has such an output, and its metadata are missing or do not fit it.
    """
    shapes = list(signature.outputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 3:
        return None
    title, metadata = f"'{signature.name}.onnx'", signature.metadata
    if missing := [key for key in ("names", "stride") if key not in metadata]:
        raise HooklineError(f"{title} lacks the metadata '{missing[0]}' of a YOLOv5", _WANTED)
    try:
        names, stride = parse_names(metadata["names"]), parse_stride(metadata["stride"])
    except DecodeError as error:
        raise HooklineError(f"{title} has unusable metadata ({error})", _WANTED) from error
    strides = tuple(level for level in LEVELS if level <= stride)
    if shapes[0][2] != 5 + len(names) or not strides or strides[-1] != stride:
        raise HooklineError(
            f"{title} is not a YOLOv5 detector of {counted(len(names), 'class')} and stride {stride}: its output is "
            f"{shown(list(shapes[0]))}",
            f"expected [batch, boxes, {5 + len(names)}]; {_WANTED}",
        )
    contract = signature.contract
    rows = sum((contract.height // step) * (contract.width // step) for step in strides)
    if not rows or (isinstance(shapes[0][1], int) and shapes[0][1] % rows):
        raise HooklineError(f"{title} gives {shapes[0][1]} boxes, not a multiple of its {rows} cells", _WANTED)
    return ModelMetadata(ModelFacts("yolov5", signature.name, names, strides), contract, CLASSIC)
