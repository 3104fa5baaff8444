"""The quantizer ``qdq``: a model in the precision that was asked for, by the rules of one runtime."""

from __future__ import annotations

import onnx

from backends.graphsurgeon.half import convert_to_half
from backends.graphsurgeon.qdq import insert_qdq
from core.artifacts import CalibrationTable, OnnxModel, Precision
from core.calibration import Ranges
from core.digest import file_digest
from core.errors import HooklineError
from core.onnx_file import check_onnx, infer_shapes, read_onnx
from core.quantizing import QdqStyle, QuantizeJob


class QdqQuantizer:
    """Explicit quantisation with Q/DQ pairs, and conversion to float16."""

    def quantize(self, job: QuantizeJob) -> None:
        """Write the model of ``job`` in its precision.

        Raises:
            HooklineError: The table is missing or belongs to another model, the runtime states no style, or the graph
                cannot be quantised.
        """
        model = job.model
        graph = read_onnx(model.path)
        check_onnx(graph, model.path)
        infer_shapes(graph, model.path)  # the converters infer too, and would raise what they find as it is
        if job.precision is not model.precision:
            graph = _converted(graph, job)
        onnx.checker.check_model(graph)
        onnx.save(graph, job.target)


def _converted(graph: onnx.ModelProto, job: QuantizeJob) -> onnx.ModelProto:
    if job.precision is Precision.fp16:
        return convert_to_half(graph)
    return insert_qdq(graph, _ranges(job.model, job.table).tensors, _style(job.style))


def _style(style: QdqStyle | None) -> QdqStyle:
    if style is None:
        raise HooklineError("the runtime states no rules for int8", "its descriptor needs Runtime.qdq")
    return style


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
