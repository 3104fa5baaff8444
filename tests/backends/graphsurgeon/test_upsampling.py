"""Nearest upsampling of integers by copies: exact, and only for static shapes and a factor of 2."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto, helper, numpy_helper

from backends.graphsurgeon.rewrites import copy_pixels
from tests.support.quantize_tools import run

ASYMMETRIC = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def resize_model(shape, factors=(2, 2), scale_after=0.02, **changes):
    """images -> Q -> DQ -> Resize -> Q -> DQ."""
    values = {"factors": np.array([1, 1, *factors], np.float32), "zero": np.array(3, np.uint8)}
    values |= {"scale": np.array(0.02, np.float32), "after": np.array(scale_after, np.float32)}
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["f"]),
        helper.make_node("Resize", ["f", "", "factors"], ["up"], name="/up/Resize", **{**ASYMMETRIC, **changes}),
        helper.make_node("QuantizeLinear", ["up", "after", "zero"], ["up_q"]),
        helper.make_node("DequantizeLinear", ["up_q", "after", "zero"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "up",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def copied(model):
    graph = gs.import_onnx(model)
    copy_pixels(graph)
    return gs.export_onnx(graph.cleanup().toposort(), ir_version=8)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 1, 1, 7), (3, 8, 6, 1)])
def test_copies_are_exact(shape):
    model = resize_model(shape)
    images = np.random.default_rng(4).random(shape, dtype=np.float32) * 5
    (exact,) = run(model, images)
    result = copied(model)
    onnx.checker.check_model(result, full_check=True)
    assert "Resize" not in {node.op_type for node in result.graph.node}
    np.testing.assert_array_equal(run(result, images)[0], exact)


@pytest.mark.parametrize(
    "model",
    [
        resize_model(("batch", 3, 4, 4)),
        resize_model((1, 3, "height", "width")),
        resize_model((1, 3, 4, 4), (3, 3)),
        resize_model((1, 3, 4, 4), (2, 1)),
        resize_model((1, 3, 4, 4), scale_after=0.03),
        resize_model((1, 3, 4, 4), mode="linear"),
        resize_model((1, 3, 4, 4), nearest_mode="ceil"),
        resize_model((1, 3, 4, 4), coordinate_transformation_mode="align_corners"),
    ],
    ids=["batch", "size", "three", "one-side", "rescaled", "linear", "ceil", "corners"],
)
def test_other_resizes_stay(model):
    kinds = [node.op_type for node in copied(model).graph.node]
    assert kinds == [node.op_type for node in model.graph.node]
