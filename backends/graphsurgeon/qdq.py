"""The quantizer ``qdq``: insert Q/DQ pairs by the rules of a runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from backends.graphsurgeon.activation_ranges import activations, clip_silu_tails, join_ranges, range_of
from backends.graphsurgeon.pairs import (
    BIAS_LIMIT,
    add_activation_pair,
    add_constant_pair,
    asymmetric_scale,
    constant_of,
    convert_rest_to_half,
    convert_to_half,
    half_scales,
    quantise,
    symmetric_scale,
    weight_scales,
)
from backends.graphsurgeon.rewrites import copy_pixels, fuse_silus, multiply_pointwise, quantise_channels_last
from backends.graphsurgeon.topology import (
    export_like,
    find_silus,
    import_copy,
    integer_nodes,
    is_pointwise,
    shortcut_of,
)
from core.artifacts import CalibrationTable, OnnxModel
from core.calibration import Ranges, TensorRange
from core.errors import HooklineError
from core.files.onnx_file import check_onnx, infer_shapes, read_onnx
from core.kinds.quantizer import QdqStyle, QuantizeJob
from core.model_facts import Precision
from core.storage.digest import file_digest

MIN_OPSET = 13
"""The first opset in which DequantizeLinear supports one scale per channel."""


def insert_qdq(model: onnx.ModelProto, ranges: Mapping[str, TensorRange], style: QdqStyle) -> onnx.ModelProto:
    """Return a copy of ``model`` that computes in int8 up to its heads, and in float32 or float16 elsewhere.

    Args:
        model: Float32, opset 13 or later, constant weights.
        ranges: Ranges of its activations by tensor name.
        style: The Q/DQ rules of the runtime.

    Raises:
        HooklineError: A range is missing or not finite, a weight is NaN, the opset is too old, or the graph has nothing
            to quantise.
    """
    graph = import_copy(model)
    if graph.opset < MIN_OPSET:
        raise HooklineError(f"the model has opset {graph.opset}", f"int8 needs {MIN_OPSET} or later: set export.opset")
    nodes = integer_nodes(graph, style)
    if not any(node.op == "Conv" for node in nodes):
        raise HooklineError(
            "the graph has no convolution to quantise: the first one and the heads stay float32",
            "set precision=fp32 or precision=fp16",
        )
    _Insertion(graph, nodes, _adjusted(graph, nodes, ranges, style), style).run()
    if style.pointwise:
        multiply_pointwise(graph)
    if style.copied_pixels:
        copy_pixels(graph)
    if style.fused_silu:
        fuse_silus(graph)
    if style.channels_last:
        quantise_channels_last(graph)
    quantised = export_like(graph, model)
    return convert_rest_to_half(quantised) if style.half else quantised


def _adjusted(
    graph: gs.Graph, nodes: list[gs.Node], ranges: Mapping[str, TensorRange], style: QdqStyle
) -> dict[str, TensorRange]:
    """Return the ranges for the quantisation."""
    adjusted = dict(ranges)
    if not style.symmetric:
        clip_silu_tails(adjusted, find_silus(graph))
    join_ranges(adjusted, nodes, style.one_range)
    return adjusted


class _Insertion:
    """Inserts pairs into one graph: activations first, since the scale of a bias depends on that of the input."""

    def __init__(
        self, graph: gs.Graph, nodes: list[gs.Node], ranges: Mapping[str, TensorRange], style: QdqStyle
    ) -> None:
        self.graph = graph
        self.nodes = nodes
        self.ranges = ranges
        self.style = style
        self.pairs: dict[str, gs.Variable] = {}
        self.scales: dict[str, float] = {}

    def run(self) -> None:
        for node in self.nodes:
            for tensor in activations(node):
                self._rewire(node, tensor)
        if self.style.outputs:
            self._quantise_outputs()
        if self.style.shortcut:
            self._quantise_shortcuts()
        for node in self.nodes:
            if node.op == "Conv":
                self._quantise_weights(node)

    def _quantise_outputs(self) -> None:
        """Let all consumers read the outputs of integer operators through Q/DQ."""
        for node in self.nodes:
            for tensor in [] if self._gives_floats(node) else node.outputs:
                for consumer in list(tensor.outputs):
                    if consumer.op != "QuantizeLinear":
                        self._rewire(consumer, tensor)

    def _quantise_shortcuts(self) -> None:
        for node in [item for item in self.graph.nodes if item.op == "Add" and len(item.inputs) == 2]:
            if (index := shortcut_of(node)) is not None:
                self._rewire(node, node.inputs[index])

    def _quantise_weights(self, node: gs.Node) -> None:
        weight = constant_of(node, 1, "weight")
        rounded = self.style.bias and len(node.inputs) > 2 and not self._gives_floats(node)
        bias = constant_of(node, 2, "bias") if rounded else None
        input_scale = self.scales[node.inputs[0].name]
        scales = weight_scales(weight.values, bias.values if bias else None, input_scale)
        if not self.style.per_channel:
            scales = np.array(scales.max())
        if self.style.half:
            scales = half_scales(scales)
        integers = quantise(weight.values, scales, np.int8, 127)
        node.inputs[1] = add_constant_pair(self.graph, f"{node.name}/{weight.name}", integers, scales)
        if bias:
            steps = (scales * np.float32(input_scale)).astype(np.float32)
            values = quantise(bias.values, steps.astype(np.float64), np.int32, 2 * BIAS_LIMIT - 1)
            node.inputs[2] = add_constant_pair(self.graph, f"{node.name}/{bias.name}", values, steps)

    def _gives_floats(self, node: gs.Node) -> bool:
        """Return whether ``node`` has float output with a float bias, from integer sums."""
        return self.style.pointwise and is_pointwise(node)

    def _rewire(self, node: gs.Node, tensor: gs.Variable) -> None:
        """Let ``node`` read ``tensor`` through its Q/DQ pair, which is created once."""
        if tensor.name in self.scales:
            return
        if tensor.name not in self.pairs:
            self.pairs[tensor.name] = self._pair(tensor)
        for index, item in enumerate(node.inputs):
            if item is tensor:
                node.inputs[index] = self.pairs[tensor.name]

    def _pair(self, tensor: gs.Variable) -> gs.Variable:
        found = range_of(self.ranges, tensor.name)
        style = self.style
        scale, zero_point = symmetric_scale(found, half=style.half) if style.symmetric else asymmetric_scale(found)
        floats = add_activation_pair(self.graph, tensor, scale, zero_point)
        self.scales[floats.name] = float(scale)
        return floats


class QdqQuantizer:
    """Explicit quantisation with Q/DQ pairs, and conversion to float16."""

    def quantize(self, job: QuantizeJob) -> None:
        """Write the model of ``job`` in the requested precision.

        Raises:
            HooklineError: The table is missing or belongs to another model, the runtime has no Q/DQ rules, or the graph
                cannot be quantised.
        """
        model = job.model
        graph = read_onnx(model.path)
        check_onnx(graph, model.path)
        infer_shapes(graph, model.path)  # reports errors for users; the converters would raise them unchanged
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
        raise HooklineError(
            "the selected runtime has no Q/DQ rules for int8", "set another backend (its author: set Runtime.qdq)"
        )
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
