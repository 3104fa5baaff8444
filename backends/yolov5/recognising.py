"""ONNX files of other exporters of YOLOv5: one output, ``names`` and ``stride`` in the metadata."""

from __future__ import annotations

from backends.yolov5.anchors import CLASSIC
from core.errors import HooklineError, counted, shown
from core.model_facts import ModelFacts
from core.storage.metadata import ModelMetadata, OnnxSignature, parse_names, parse_stride
from core.storage.serial import DecodeError

LEVELS = (8, 16, 32, 64)
_WANTED = "give an export of a YOLOv5 checkpoint, or the checkpoint itself"


def recognise(signature: OnnxSignature) -> ModelMetadata | None:
    """Return the facts of a model with the single output [B, N, 5+nc]; None for one with other outputs.

    Heads without anchors, e.g. of YOLOX, can have this shape too, with one row per cell. A YOLOv5 has a row per anchor;
    one with a single anchor per level, which no official one is, cannot be told from them and is refused as well.

    Raises:
        HooklineError: It has such an output, and its metadata are missing or do not fit it, or it has one row per cell.
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
    cells, boxes = sum((contract.height // step) * (contract.width // step) for step in strides), shapes[0][1]
    if not cells or (isinstance(boxes, int) and boxes % cells):
        raise HooklineError(f"{title} gives {boxes} boxes, not a multiple of its {cells} cells", _WANTED)
    if boxes == cells:
        raise HooklineError(
            f"{title} gives {boxes} boxes for {cells} cells: one per cell, as a model without anchors (YOLOX, YOLOv8), "
            "while a YOLOv5 has several anchors per level",
            _WANTED,
        )
    return ModelMetadata(ModelFacts("yolov5", signature.name, names, strides), contract, CLASSIC)
