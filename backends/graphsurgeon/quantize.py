"""A model in the precision that was asked for, by the rules of one runtime."""

from __future__ import annotations

from pathlib import Path

import onnx

from backends.graphsurgeon.half import convert_to_half
from backends.graphsurgeon.qdq import insert_qdq
from backends.graphsurgeon.style import QdqStyle
from core.artifacts import CalibrationTable, OnnxModel, Precision
from core.calibration import Ranges
from core.digest import file_digest
from core.errors import HooklineError
from core.onnx_file import check_onnx, infer_shapes, read_onnx


def quantize(
    model: OnnxModel, table: CalibrationTable | None, target: Path, *, precision: Precision, style: QdqStyle
) -> None:
    """Write ``model`` in ``precision`` to ``target``; metadata and float32 inputs and outputs are kept.

    Args:
        model: A float32 heads model, or one that has the precision already: it is written as it is.
        table: The ranges of its activations; needed for int8.
        target: The ONNX file to write.
        precision: ``fp16`` or ``int8``.
        style: What the runtime wants of int8.

    Raises:
        HooklineError: The table is missing or belongs to another model, or the graph cannot be quantised.
    """
    graph = read_onnx(model.path)
    check_onnx(graph, model.path)
    infer_shapes(graph, model.path)  # the converters infer too, and would raise what they find as it is
    if precision is not model.precision:
        graph = (
            convert_to_half(graph)
            if precision is Precision.fp16
            else insert_qdq(graph, _ranges(model, table).tensors, style)
        )
    onnx.checker.check_model(graph)
    onnx.save(graph, target)


def _ranges(model: OnnxModel, table: CalibrationTable | None) -> Ranges:
    if table is None:
        raise HooklineError(
            "int8 needs a calibration table", "run +stage=calibrate, or the whole chain with +stage=build"
        )
    ranges = Ranges.read(table.path)
    if ranges.model != file_digest(model.path):
        raise HooklineError(
            f"the calibration table '{table.path.name}' was made for another model",
            f"run +stage=calibrate again for '{model.path.name}'",
        )
    return ranges
