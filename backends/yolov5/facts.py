"""Model facts of YOLOv5: the anchors in ``ModelFacts.head``, and the facts of ONNX files of other exporters.

``head`` is ``{"anchors": [[w0, h0, w1, h1, ...], ...]}``, smallest stride first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.errors import HooklineError, counted, shown
from core.model_facts import InputContract, ModelFacts
from core.model_limits import MAX_ANCHORS, MAX_SIDE
from core.storage.serial import DecodeError

if TYPE_CHECKING:
    from core.storage.metadata import ModelMetadata, OnnxSignature

FAMILY = "yolov5"
ANCHORS = "anchors"
HEADS, CLASSIC = "heads", "classic"
LAYOUTS = (HEADS, CLASSIC)
STRIDES = (8, 16, 32, 64)
_EXPECTED_FILE = "give an export of a YOLOv5 checkpoint, or the checkpoint itself"


def anchors_of(facts: ModelFacts) -> Sequence[Sequence[float]]:
    """Return the anchors of each level in pixels of the network input; empty for a file that does not state them."""
    anchors: Sequence[Sequence[float]] = facts.head.get(ANCHORS, ())
    return anchors


def check_head(facts: ModelFacts) -> Iterator[HooklineError]:
    """Yield an error for each entry of ``facts.head`` that a YOLOv5 cannot have."""
    head = dict(facts.head)
    anchors = head.pop(ANCHORS, [])
    for key, value in head.items():
        yield _problem(facts, key, "only anchors", shown(value))
    if anchors and (expected := _expected_anchors(anchors, len(facts.strides))):
        yield _problem(facts, "anchors", expected, shown(anchors))


def _problem(facts: ModelFacts, key: str, expected: str, found: str) -> HooklineError:
    return HooklineError(
        f"the model '{facts.variant}' has unusable facts (head.{key}: expected {expected}, got {found})",
        "restore the file and its sidecar, or export it again",
    )


def _expected_anchors(anchors: object, levels: int) -> str:
    """Return what the anchors must be; empty if they are valid."""
    if not isinstance(anchors, list) or not all(isinstance(level, list) for level in anchors):
        return "a list per level"
    if len(anchors) != levels:
        return f"one list for each of {levels} strides"
    sizes = {len(level) for level in anchors}
    if len(sizes) > 1 or 0 in sizes or any(size % 2 for size in sizes):
        return "pairs of width and height, the same number per level"
    if any(size > 2 * MAX_ANCHORS for size in sizes):
        return f"up to {MAX_ANCHORS} per level"
    if not all(_is_side(side) for level in anchors for side in level):
        return f"numbers above 0, up to {MAX_SIDE}"
    return ""


def _is_side(side: object) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and 0 < side <= MAX_SIDE


def recognise(signature: OnnxSignature) -> ModelMetadata | None:
    """Return the metadata of a model with the single output [B, N, 5+nc]; None for a model with other outputs.

    Other exporters state ``names`` and ``stride`` in the ONNX metadata. An anchor-free model such as YOLOX can have the
    same shape with one row per cell. A YOLOv5 has one row per anchor; a YOLOv5 with a single anchor per level cannot be
    distinguished from an anchor-free model and is refused as well. No official network has that.

    Raises:
        HooklineError: The model is of another kind, which the message names, or it has such an output, but its metadata
            is missing or does not fit, or it has one row per cell.
    """
    from backends.yolov5.foreign_models import WAY_ON
    from backends.yolov5.foreign_onnx import name_onnx
    from core.storage.metadata import ModelMetadata, parse_names, parse_stride

    if kind := name_onnx(signature):
        raise HooklineError(f"'{signature.name}.onnx' is {kind}, not a YOLOv5 detector", WAY_ON)
    shapes = list(signature.outputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 3:
        return None
    title, metadata = f"'{signature.name}.onnx'", signature.metadata
    if missing := [key for key in ("names", "stride") if key not in metadata]:
        raise HooklineError(f"{title} lacks the metadata '{missing[0]}' of a YOLOv5 model", _EXPECTED_FILE)
    try:
        names, stride = parse_names(metadata["names"]), parse_stride(metadata["stride"])
    except DecodeError as error:
        raise HooklineError(f"{title} has unusable metadata ({error})", _EXPECTED_FILE) from error
    strides = tuple(level for level in STRIDES if level <= stride)
    if shapes[0][2] != 5 + len(names) or not strides or strides[-1] != stride:
        raise HooklineError(
            f"{title} is not a YOLOv5 detector of {counted(len(names), 'class')} and stride {stride}: its output is "
            f"{shown(list(shapes[0]))}",
            f"expected [batch, boxes, {5 + len(names)}]; {_EXPECTED_FILE}",
        )
    _check_rows(title, shapes[0][1], strides, signature.contract)
    return ModelMetadata(ModelFacts(FAMILY, signature.name, names, strides), signature.contract, CLASSIC)


def _check_rows(title: str, boxes: int | str, strides: Sequence[int], contract: InputContract) -> None:
    """Compare the number of output rows with the number of cells."""
    cells = sum((contract.height // step) * (contract.width // step) for step in strides)
    if not cells or (isinstance(boxes, int) and boxes % cells):
        raise HooklineError(f"{title} outputs {boxes} boxes, not a multiple of its {cells} cells", _EXPECTED_FILE)
    if boxes == cells:
        raise HooklineError(
            f"{title} outputs {boxes} boxes for {cells} cells: one per cell, as an anchor-free model (YOLOX, YOLOv8), "
            "but a YOLOv5 model has several anchors per level",
            _EXPECTED_FILE,
        )
