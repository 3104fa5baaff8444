"""The implementation of the quantizer ``input_only``."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hookline import Precision, QuantizeJob, Ranges, read_onnx
from hookline_chip.plugin import InputOnlyOptions


class InputOnly:
    """Quantises what enters the network."""

    def __init__(self, options: InputOnlyOptions) -> None:
        self.options = options

    def quantize(self, job: QuantizeJob) -> None:
        """Write the model with one pair."""
        model = read_onnx(job.model.path)
        if job.precision is Precision.int8:
            assert job.table is not None
            assert job.style is not None
            name = job.model.contract.name
            self._insert(model, name, Ranges.read(job.table.path).tensors[name].amax)
        onnx.save(model, job.target)

    def _insert(self, model: onnx.ModelProto, name: str, amax: float) -> None:
        scale = np.float32(amax * self.options.headroom / 127)
        model.graph.initializer.append(numpy_helper.from_array(np.array(scale), "input_scale"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), "input_zero"))
        for node in model.graph.node:
            node.input[:] = ["input_dequantized" if item == name else item for item in node.input]
        constants = ["input_scale", "input_zero"]
        model.graph.node.insert(0, helper.make_node("QuantizeLinear", [name, *constants], ["input_quantized"]))
        model.graph.node.insert(
            1, helper.make_node("DequantizeLinear", ["input_quantized", *constants], ["input_dequantized"])
        )
