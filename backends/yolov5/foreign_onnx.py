"""What an ONNX file of another kind is, by its outputs, for the message that refuses it."""

from __future__ import annotations

from collections.abc import Sequence

from backends.yolov5.foreign_models import KINDS
from core.kinds.head import Shape
from core.storage.metadata import OnnxSignature, parse_names
from core.storage.serial import DecodeError

_METADATA_TASKS = {"segment": "Segmentation", "classify": "Classification", "pose": "Pose", "obb": "OBB"}
"""The metadata ``task`` in ONNX files of the package ultralytics."""
MAX_PREDICTIONS = 1000
"""Maximum number of rows of an output after NMS; outputs before NMS have thousands."""
MASKS = 32
"""Number of mask prototypes of a segmentation model."""


def name_onnx(signature: OnnxSignature) -> str:
    """Return what an ONNX file is by its metadata and the shapes of its outputs; empty if it may be a YOLOv5."""
    if task := _METADATA_TASKS.get(signature.metadata.get("task", "")):
        return KINDS[task]
    shapes = list(signature.outputs.values())
    if len(shapes) == 1:
        return _name_output(shapes[0], _number_of_names(signature))
    if any(len(shape) == 4 and shape[1] == MASKS for shape in shapes) and any(len(shape) == 3 for shape in shapes):
        return KINDS["Segmentation"]
    if len(shapes) in {3, 4} and all(len(shape) == 5 for shape in shapes):
        return "a network without the decode of its boxes (as of YOLOv5 with --train)"
    if len(shapes) == 4 and all(len(shape) <= 3 for shape in shapes):
        return "a detector with NMS in the graph"
    return ""


def _name_output(shape: Shape, names: int) -> str:
    if len(shape) == 2:
        return KINDS["Classification"]
    if len(shape) != 3:
        return ""
    rows, values = shape[1:]
    if values == 6 and names != 1 and isinstance(rows, int) and rows <= MAX_PREDICTIONS:
        return "a detector with NMS in the graph, or one that needs none (YOLOv10)"
    # [B, 4 + classes, cells]: channels first, without objectness.
    transposed = isinstance(rows, int) and isinstance(values, int) and rows < values
    if (names and rows == 4 + names) or (not names and transposed):
        return KINDS["Detection"]
    return ""


def _number_of_names(signature: OnnxSignature) -> int:
    try:
        names: Sequence[str] = parse_names(signature.metadata.get("names", ""))
    except DecodeError:
        return 0
    return len(names)
