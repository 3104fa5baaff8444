"""Explicit quantisation: QuantizeLinear / DequantizeLinear pairs where a runtime wants them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from backends.graphsurgeon.activation_ranges import activations, clip_silu_tails, join_ranges, range_of
from backends.graphsurgeon.channels_last import quantise_channels_last
from backends.graphsurgeon.exporting import export_like, import_copy
from backends.graphsurgeon.half import convert_rest_to_half
from backends.graphsurgeon.pairs import (
    BIAS_LIMIT,
    add_activation_pair,
    add_constant_pair,
    asymmetric_scale,
    constant_of,
    half_scales,
    quantise,
    symmetric_scale,
    weight_scales,
)
from backends.graphsurgeon.pointwise import CONTRIB, multiply_pointwise
from backends.graphsurgeon.topology import find_silus, integer_nodes, is_pointwise, shortcut_of
from backends.graphsurgeon.upsampling import copy_pixels
from core.calibration import TensorRange
from core.errors import HooklineError
from core.quantizing import QdqStyle

MIN_OPSET = 13
"""From here on DequantizeLinear knows one scale a channel."""


def insert_qdq(model: onnx.ModelProto, ranges: Mapping[str, TensorRange], style: QdqStyle) -> onnx.ModelProto:
    """A copy of ``model`` that computes in int8 up to its heads, and in float32 or float16 elsewhere.

    Args:
        model: Float32, opset 13 or later, static weights.
        ranges: Of its activations, by tensor name.
        style: What the runtime wants.

    Raises:
        HooklineError: A range is missing or not finite, a weight is NaN, the opset is too old, or the
            graph has nothing to quantise.
    """
    graph = import_copy(model)
    if graph.opset < MIN_OPSET:
        raise HooklineError(f"the model has opset {graph.opset}", f"int8 needs {MIN_OPSET} or later: set export.opset")
    nodes = integer_nodes(graph, style)
    if not any(node.op == "Conv" for node in nodes):
        raise HooklineError("the graph has no convolution between its first one and its heads", "use fp32 or fp16")
    _Insertion(graph, nodes, _settled(graph, nodes, ranges, style), style).run()
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


def fuse_silus(graph: gs.Graph) -> None:
    """Write every x * sigmoid(x) as one node."""
    for silu in find_silus(graph):
        source, result = silu.source, silu.result
        for node in (silu.sigmoid, silu.multiply):
            node.inputs.clear()
            node.outputs.clear()
        graph.layer(
            op="QuickGelu",
            name=silu.multiply.name,
            domain=CONTRIB,
            inputs=[source],
            outputs=[result],
            attrs={"alpha": 1.0},
        )


def _settled(
    graph: gs.Graph, nodes: list[gs.Node], ranges: Mapping[str, TensorRange], style: QdqStyle
) -> dict[str, TensorRange]:
    """The ranges to quantise with."""
    settled = dict(ranges)
    if not style.symmetric:
        clip_silu_tails(settled, find_silus(graph))
    join_ranges(settled, nodes, style.one_range)
    return settled


class _Insertion:
    """The work on one graph: activations first, then the weights, whose bias follows the input's scale."""

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
        """Whoever reads what an integer operator gives reads it through Q/DQ."""
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
        """Whether the integer sums of ``node`` become floats, with a float bias."""
        return self.style.pointwise and is_pointwise(node)

    def _rewire(self, node: gs.Node, tensor: gs.Variable) -> None:
        """Let ``node`` read ``tensor`` through its Q/DQ pair, which is made once."""
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
