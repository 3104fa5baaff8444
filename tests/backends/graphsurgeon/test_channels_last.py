"""Quantisation in NHWC changes layouts, but no value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from backends.graphsurgeon.qdq import insert_qdq
from backends.ort.options import STYLE
from core.calibration import TensorRange
from tests.support.quantize_tools import run

NARROW = replace(STYLE, float_channels=0)


def network(shape, dynamic=False):
    """stem -> 1x1 conv -> 3x3 conv and a head from the same SiLU -> a second head."""
    values = np.random.default_rng(7)
    weights: dict[str, np.ndarray] = {}
    nodes = []

    def conv(source, target, channels, size, act=True):
        into, out = channels
        weights[f"{target}.w"] = (values.standard_normal((out, into, size, size)) / into**0.5 / size).astype(np.float32)
        weights[f"{target}.b"] = values.standard_normal(out).astype(np.float32)
        given = f"{target}.x" if act else target
        operands = [source, f"{target}.w", f"{target}.b"]
        shape = {"pads": [size // 2] * 4, "kernel_shape": [size, size]}
        nodes.append(helper.make_node("Conv", operands, [given], name=target, **shape))
        if act:
            nodes.append(helper.make_node("Sigmoid", [given], [f"{target}.s"], name=f"{target}/Sigmoid"))
            nodes.append(helper.make_node("Mul", [given, f"{target}.s"], [target], name=f"{target}/Mul"))

    conv("images", "stem", (3, 8), 3)
    conv("stem", "one", (8, 16), 1)
    conv("one", "p3", (16, 5), 1, act=False)
    conv("one", "three", (16, 8), 3)
    conv("three", "p4", (8, 5), 1, act=False)
    size = ["height", "width"] if dynamic else list(shape[2:])
    graph = helper.make_graph(
        nodes,
        "narrow",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [*shape[:2], *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("p3", "p4")],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


RANGES = {
    name: TensorRange(min=-3.0, max=3.0, amax=3.0, low=-3.0, high=3.0)
    for stem in ("images", "stem", "one", "three", "p3", "p4")
    for name in (stem, f"{stem}.x", f"{stem}.s")
}


def layouts(model):
    """Return the producers of the inputs of each activation's QuantizeLinear and of each SiLU."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    moved = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "QuickGelu")]
    return {node.name: makers.get(node.input[0], "") for node in moved}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_values_stay_the_same(batch, dynamic):
    shape = (batch, 3, 12, 10)
    model = network(shape, dynamic)
    images = np.random.default_rng(1).random(shape, dtype=np.float32) * 4 - 2
    moved = insert_qdq(model, RANGES, NARROW)
    onnx.checker.check_model(moved, full_check=True)
    plain = insert_qdq(model, RANGES, replace(NARROW, channels_last=False))
    for got, expected in zip(run(moved, images), run(plain, images), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_silu_of_a_product_is_not_transposed_before():
    found = layouts(insert_qdq(network((1, 3, 12, 10)), RANGES, NARROW))
    assert found["one/Mul"] == "MatMulIntegerToFloat"
    assert found["one_QuantizeLinear"] == "QuickGelu"


def test_floats_are_transposed_before_they_become_integers():
    found = layouts(insert_qdq(network((1, 3, 12, 10)), RANGES, NARROW))
    assert found["stem_QuantizeLinear"] == "Flatten"


def test_a_dynamic_size_leaves_the_quantiser_of_a_float_convolution():
    found = layouts(insert_qdq(network((1, 3, 12, 10), dynamic=True), RANGES, NARROW))
    assert found["stem_QuantizeLinear"] == "QuickGelu"
